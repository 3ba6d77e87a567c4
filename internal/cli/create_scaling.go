package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// What --autoscaler may say.
const (
	autoscalerCopy = "copy"
	autoscalerNone = "none"
)

// findScaling reads what looks after the stable version, and tells what may not
// be read.
func (o *createCanary) findScaling(ctx context.Context, p *canaryPlan) (err error) {
	if o.autoscaler == autoscalerNone {
		return nil
	}
	if p.scaling, err = p.deployments.Scaling(ctx, p.stable); err != nil {
		return err
	}
	for _, sentence := range p.scaling.Unknown {
		o.note("%s", sentence)
	}
	return nil
}

// inheritScaling has the canary looked after as the stable version is. It comes
// after the Deployment, which owns what is made here.
func (o *createCanary) inheritScaling(ctx context.Context, p *canaryPlan) error {
	canary := p.want
	if p.live != nil && canary.GetUID() == "" { // it was left as it is
		canary = p.live
	}
	w := o.write()
	notes, err := p.deployments.InheritScaling(ctx, p.scaling, canary, workload.Options{
		ServerDryRun: o.dry(), ClientDryRun: w.DryRun == traffic.DryRunClient, Show: w.Show,
	})
	for _, note := range notes {
		o.note("%s", note)
	}
	return err
}

func (o *createCanary) addAutoscalerFlag(flags *pflag.FlagSet) {
	flags.StringVar(&o.autoscaler, "autoscaler", autoscalerCopy, `"copy" has the canary scaled and kept from disruption as the stable version is, "none" leaves its number of Pods alone`)
}
