package store

// LockRetentionRun is held by whoever removes.
const LockRetentionRun = lockRetentionRun
