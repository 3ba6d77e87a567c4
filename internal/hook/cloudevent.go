package hook

import (
	"net/url"
	"time"

	"github.com/canaryctl/canaryctl/internal/event"
)

const cloudEventType = "application/cloudevents+json; charset=utf-8"

// cloudEvent is an event in the structured JSON form of CloudEvents 1.0.
//
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
type cloudEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	// Source and Type say which application's release, and what happened; Subject
	// is the release.
	Source          string      `json:"source"`
	Type            string      `json:"type"`
	Subject         string      `json:"subject,omitempty"`
	Time            time.Time   `json:"time"`
	DataContentType string      `json:"datacontenttype"`
	Data            event.Event `json:"data"`
}

func newCloudEvent(id string, e event.Event) cloudEvent {
	return cloudEvent{
		SpecVersion: "1.0", ID: id,
		Source:  "/namespaces/" + url.PathEscape(e.Release.Namespace) + "/releases/" + url.PathEscape(e.Release.App),
		Type:    "io.canaryctl.release." + string(e.Kind),
		Subject: e.Release.ID, Time: e.Time.UTC(), DataContentType: "application/json", Data: e,
	}
}
