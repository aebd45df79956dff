package telemetry

import (
	"fmt"
	"slices"
	"time"

	"github.com/armon/go-metrics"
	hashi "github.com/hashicorp/go-metrics"
)

// InstallBridge makes t the destination of hashicorp/go-metrics' global, to which raft and
// memberlist write: raft.apply arrives as nomad.raft.apply. Calling it again, with this t
// or another, replaces the destination. It adds no prefix, label or filter of its own:
// those of t apply once.
func (t *Telemetry) InstallBridge() error {
	_, err := hashi.NewGlobal(&hashi.Config{
		TimerGranularity: time.Millisecond,
		FilterDefault:    true,
	}, bridge{t.metrics})
	if err != nil {
		return fmt.Errorf("install metrics bridge: %w", err)
	}
	return nil
}

// bridge is a sink of hashicorp/go-metrics that passes everything on to armon's: the same
// library at an earlier version, whose types differ only by their import path.
type bridge struct {
	to *metrics.Metrics
}

var (
	_ hashi.MetricSink               = bridge{}
	_ hashi.PrecisionGaugeMetricSink = bridge{}
)

func (b bridge) SetGauge(key []string, v float32) { b.SetGaugeWithLabels(key, v, nil) }

func (b bridge) SetGaugeWithLabels(key []string, v float32, labels []hashi.Label) {
	b.to.SetGaugeWithLabels(key, v, translate(labels))
}

func (b bridge) SetPrecisionGauge(key []string, v float64) {
	b.SetPrecisionGaugeWithLabels(key, v, nil)
}

func (b bridge) SetPrecisionGaugeWithLabels(key []string, v float64, labels []hashi.Label) {
	b.to.SetGaugeWithLabels(key, float32(v), translate(labels))
}

func (b bridge) EmitKey(key []string, v float32) { b.to.EmitKey(key, v) }

func (b bridge) IncrCounter(key []string, v float32) { b.IncrCounterWithLabels(key, v, nil) }

func (b bridge) IncrCounterWithLabels(key []string, v float32, labels []hashi.Label) {
	b.to.IncrCounterWithLabels(key, v, translate(labels))
}

func (b bridge) AddSample(key []string, v float32) { b.AddSampleWithLabels(key, v, nil) }

func (b bridge) AddSampleWithLabels(key []string, v float32, labels []hashi.Label) {
	b.to.AddSampleWithLabels(key, v, translate(labels))
}

func translate(labels []hashi.Label) []metrics.Label {
	out := make([]metrics.Label, len(labels))
	for i, l := range labels {
		out[i] = metrics.Label(l)
	}
	return slices.Clip(out)
}
