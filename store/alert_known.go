package store

import (
	"encoding/json"
	"fmt"
	"os"

	"recall/seal"
)

// lastChannelsContext binds the sealed file to what it is.
const lastChannelsContext = "last known alert channels"

// KeepAlertChannels keeps the channels in a file, sealed, whole or not at all: an instance tells by them that the database is
// away.
func KeepAlertChannels(path string, key seal.Key, channels []*AlertChannel) error {
	type full struct { // what JSON leaves out of the settings
		*AlertChannel
		Secrets channelSecrets
	}
	var all []full
	for _, c := range channels {
		all = append(all, full{c, channelSecrets{c.Mail.Password, c.Webhook.URL, c.Webhook.HeaderValue}})
	}
	plain, err := json.Marshal(all)
	if err == nil {
		err = writeFile(path, key.Seal(plain, lastChannelsContext))
	}
	if err != nil {
		return fmt.Errorf("keeping the alert channels: %w", err)
	}
	return nil
}

// ReadAlertChannels returns the channels that were kept; fs.ErrNotExist where none were.
func ReadAlertChannels(path string, key seal.Key) ([]*AlertChannel, error) {
	box, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the last known alert channels: %w", err)
	}
	plain, err := key.Open(box, lastChannelsContext)
	if err != nil {
		return nil, fmt.Errorf("opening the last known alert channels in %s: %w", path, err)
	}
	var all []struct {
		AlertChannel
		Secrets channelSecrets
	}
	if err := json.Unmarshal(plain, &all); err != nil {
		return nil, fmt.Errorf("reading the last known alert channels in %s: %w", path, err)
	}
	var channels []*AlertChannel
	for i := range all {
		c := &all[i].AlertChannel
		c.Mail.Password, c.Webhook.URL, c.Webhook.HeaderValue = all[i].Secrets.Password, all[i].Secrets.URL, all[i].Secrets.HeaderValue
		channels = append(channels, c)
	}
	return channels, nil
}
