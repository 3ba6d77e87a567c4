// Package stats is the mathematics of deciding about a canary: pure functions
// and small state machines over counts. No clock, no I/O, no randomness; every
// formula names its source, and the same input gives the same bits.
//
// # Evidence that may be looked at every second
//
// A test of fixed size is valid once. Looked at after every scrape it raises
// false alarms until it is right. This package accumulates e-processes instead:
// nonnegative numbers E whose expectation is at most 1 at every time, however
// the time was chosen, as long as the null hypothesis holds. By Ville's
// inequality E ever reaches 1/alpha with probability at most alpha, so a look
// costs nothing. See Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic
// statistics and safe anytime-valid inference", Statistical Science 38 (2023)
// 576-601; for the use on deployments, Lindon, Sanden and Shirikian, "Rapid
// regression detection in software deployments through sequential testing",
// KDD (2022).
//
// All evidence is kept as its natural logarithm: [Threshold] is log(1/alpha),
// and a process has rejected its null when its LogE reaches that.
//
// # Processes
//
// Each is fed one [Scrape] at a time, in constant space and without allocation.
//
//   - [Rollback]: the canary fails more often than the tolerance allows.
//   - [Onset]: the same, for a regression that may begin late.
//   - [NonInferiority]: the canary fails less than Margin times as often.
//   - [Absolute]: a limit is violated, or met; met at a negligible level is the
//     second way to promote.
//   - [Shortfall]: hardly any of the requests that were answered are the canary's.
//
// Confidence sequences, [RatioBounds], [ProportionBounds] and [QuantileBounds],
// say which values are not yet rejected; the ratio's needs the [Ledger].
//
// # What is proved and what is not
//
// The guarantee holds for independent requests, whatever the error rate does
// over time and whatever weights are chosen from the past. Requests come in
// bursts; [Dispersion] and the cap of evidence per scrape are calibrated repairs
// for that, not theorems. No alarm is not a proof of safety.
package stats
