package storetest

// What becomes of columns when a person is erased, as far as tests ask.
const (
	GoesWithTheEvent = "goes with the event"
	NamesAreTakenOut = "names are taken out"
)

// ErasedFrom is what becomes of each column that can hold text or bytes, when a person is erased. A column that does not stand here
// fails a test of store: decide, and where it may name a person, see to it that erasure (store/erasure_*.go, room erasure) finds it
// there; a test of erasure then wants to see it named there before, and not after.
var ErasedFrom = map[string]string{
	GoesWithTheEvent: `
		events.body events.header events.customers events.entity_id events.entity_type events.callback_type events.api_version events.reason
		events.sender events.signature events.verification events.body_sha256 attempts.error attempts.request_header attempts.request_url
		attempts.response_body attempts.response_header deliveries.entity deliveries.last_error deliveries.requested_by
		edited_tests.body edited_tests.error edited_tests.method edited_tests.request_header edited_tests.request_url edited_tests.requested_by
		edited_tests.response_body edited_tests.response_header reverifications.reason reverifications.requested_by reverifications.verification
		erasure_events.doubt search_postings.postings search_segments.event_ids search_segments.event_classes search_segments.marks`,
	NamesAreTakenOut: `
		saved_views.name saved_views.filter replays.filter replays.reason reverify_runs.filter reverify_runs.reason
		retention_holds.filter retention_holds.reason retention_holds.release_reason erasure_cases.reason erasure_cases.why
		destinations.state_reason alerts.note deliveries.reason edited_tests.reason erasure_events.reason
		audit_entries.subject audit_entries.reason audit_entries.detail reveals.subject payload_views.subject erasure_cases.person_sealed`,
	"is left to people, and the certificate says so": `destinations.match`,
	"a hash by a key, or of a whole body": `
		erasure_cases.person_hash erased_events.body_sha256 arrival_groups.body_sha256 audit_chain.commitment audit_chain.hash audit_checkpoints.hash
		audit_checkpoints.mac audit_entries.salt river_job.unique_key`,
	"a tombstone: types and statuses that plenigo or Recall made": `
		erased_events.api_version erased_events.callback_type erased_events.entity_type erased_events.reason erased_events.signature erased_events.deliveries`,
	"types and statuses, counted": `
		search_classes.api_version search_classes.callback_type search_classes.entity_type search_classes.reason search_classes.signature
		volume_types.callback_type volume_types.entity_type failure_groups.cause failure_groups.reason failure_groups.sender source_hours.secret
		replays.counts replays.skipped replays.recent replays.newer_cursor replays.why`,
	"words, steps and counts that Recall makes": `
		alerts.kind alerts.subject alerts.instance alerts.words alerts.page alert_messages.title alert_messages.body alert_messages.data
		alert_messages.error alert_state.audit_fault retention_state.error alert_channels.error erasure_cases.done erasure_cases.found erasure_cases.steps erasure_cases.step erasure_cases.tables
		erasure_cases.horizon erasure_cases.leftover erasure_cases.certificate erasure_instances.name erasure_spools.instance followers.cursor followers.name
		audit_entries.action audit_checkpoints.key_id audit_checkpoints.kind settings_revision.key_id search_progress.cursor
		river_job.args river_job.errors river_job.tags river_job.attempted_by river_job.kind river_job.metadata river_job.queue river_leader.leader_id river_leader.name
		river_migration.line river_notification.payload river_notification.topic river_queue.metadata river_queue.name`,
	"settings": `
		sources.name sources.slug sources.scheme sources.expected_types sources.basic_auth_sealed source_headers.name source_headers.sealed
		source_secrets.name source_secrets.sealed destinations.name destinations.url destinations.method destinations.headers
		destinations.headers_sealed destinations.secrets_sealed alert_channels.kind alert_channels.kinds alert_channels.name alert_channels.sealed
		alert_channels.settings mask_rules.class mask_rules.entity_type mask_rules.path saved_views.columns saved_views.zone reveals.scope
		erasure_keys.sealed`,
	"users, who are no customers": `
		users.name users.password_hash users.totp_sealed users.oidc_issuer users.oidc_subject users.login_code_sha256 user_sessions.address
		user_sessions.agent user_sessions.token_sha256 user_recovery_codes.code_sha256 api_tokens.name api_tokens.hint api_tokens.rights
		api_tokens.token_sha256 api_tokens.used_from api_tokens.created_by api_tokens.revoked_by audit_entries.actor payload_views.actor
		replays.requested_by reverify_runs.requested_by retention_holds.placed_by retention_holds.released_by failure_groups.changed_by
		erasure_cases.opened_by erasure_cases.confirmed_by erasure_events.decided_by alerts.acknowledged_by`,
	"strangers, who asked for addresses that there are not": `unknown_requests.content_type unknown_requests.path unknown_requests.sender`,
}
