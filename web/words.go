package web

import (
	"strings"

	"recall/store"
	"recall/verify"
)

// Tones carry the meaning of a colour; a shape and a word always stand beside it.
const (
	toneGood = "good"
	toneWarn = "warn"
	toneBad  = "bad"
	toneIdle = "idle"
	toneInfo = "info"
)

// mood is how a state or verdict looks: a tone, an icon and a word.
type mood struct{ Tone, Icon, Word string }

func verdictMood(v verify.Verdict) mood {
	switch v {
	case verify.Verified:
		return mood{toneGood, "check", "Verified"}
	case verify.Late:
		return mood{toneWarn, "clock", "Late"}
	case verify.Rejected:
		return mood{toneBad, "cross", "Rejected"}
	}
	return mood{toneIdle, "question", string(v)}
}

func statusMood(s verify.Status) mood {
	switch s {
	case verify.Valid:
		return mood{toneGood, "check", "valid"}
	case verify.Expired:
		return mood{toneWarn, "clock", "expired"}
	case verify.Future:
		return mood{toneBad, "cross", "in the future"}
	case verify.Mismatch:
		return mood{toneBad, "cross", "does not match"}
	case verify.Missing:
		return mood{toneBad, "cross", "missing"}
	case verify.Malformed:
		return mood{toneBad, "cross", "malformed"}
	case verify.NoSecret:
		return mood{toneBad, "cross", "no valid secret"}
	case verify.NotRequired:
		return mood{toneIdle, "dash", "not asked for"}
	case verify.NotChecked, "":
		return mood{toneIdle, "dash", "not checked"}
	}
	return mood{toneIdle, "question", words(string(s))}
}

func deliveryMood(s store.DeliveryState) mood {
	switch s {
	case store.DeliverySucceeded:
		return mood{toneGood, "check", "succeeded"}
	case store.DeliveryPending:
		return mood{toneInfo, "dots", "pending"}
	case store.DeliverySending:
		return mood{toneInfo, "send", "sending"}
	case store.DeliveryWaiting:
		return mood{toneWarn, "retry", "waiting"}
	case store.DeliveryExhausted:
		return mood{toneBad, "cross", "exhausted"}
	case store.DeliveryCancelled:
		return mood{toneIdle, "dash", "cancelled"}
	}
	return mood{toneIdle, "question", string(s)}
}

// statusTone is the tone of an HTTP status code; 0 is no answer.
func statusTone(code int) string {
	switch {
	case code >= 200 && code < 300:
		return toneGood
	case code >= 400 || code == 0:
		return toneBad
	}
	return toneWarn
}

// reasonWords says briefly why a callback was not simply verified.
func reasonWords(r verify.Reason) string {
	switch r {
	case "":
		return ""
	case verify.ReasonSignatureMissing:
		return "no signature"
	case verify.ReasonSignatureMalformed:
		return "signature unreadable"
	case verify.ReasonSignatureMismatch:
		return "signature does not match"
	case verify.ReasonSignatureExpired:
		return "signed too long ago"
	case verify.ReasonSignatureFuture:
		return "signed in the future"
	case verify.ReasonNoSecret:
		return "source has no valid secret"
	case verify.ReasonBasicMissing:
		return "no basic authentication"
	case verify.ReasonBasicMalformed:
		return "basic authentication unreadable"
	case verify.ReasonBasicMismatch:
		return "wrong user or password"
	case verify.ReasonHeaderMissing:
		return "header missing"
	case verify.ReasonHeaderMismatch:
		return "header value differs"
	case verify.ReasonSourceDisabled:
		return "source is disabled"
	case verify.ReasonBodyTooLarge:
		return "body too large"
	case verify.ReasonSettingsUnreadable:
		return "settings cannot be decrypted"
	}
	return words(string(r))
}

func triggerWords(t store.Trigger, by string) string {
	switch t {
	case store.TriggerAutomatic:
		return "sent automatically on arrival"
	case store.TriggerManual:
		return "redispatched by " + plainText(by)
	case store.TriggerReplay:
		return "part of a replay by " + plainText(by)
	}
	return string(t)
}

// words makes plenigo's constants readable: CUSTOMER_OPT_IN becomes "customer opt in".
func words(constant string) string {
	return strings.ToLower(strings.ReplaceAll(constant, "_", " "))
}

// typeWords names a callback's type in two parts for people: what it is about, and what happened.
func typeWords(entityType, callbackType string) (entity, callback string) {
	entity, callback = words(entityType), words(callbackType)
	if entity != "" && entity[0] >= 'a' && entity[0] <= 'z' {
		entity = strings.ToUpper(entity[:1]) + entity[1:]
	}
	return entity, callback
}
