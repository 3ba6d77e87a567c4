package canary

// State is what Next decides on: where the release stands, and the weights that
// the route has by it.
type State struct {
	Release
	Weights Weights
}

// Action is what is to be done now. The route shall say After, in one write;
// where After equals the state before there is nothing to write.
type Action struct {
	Do    Move
	After State
	// Why is a sentence for people, empty only for Wait.
	Why string
}

// Move is a kind of Action.
type Move string

// The moves.
const (
	Wait       Move = "wait"        // nothing
	TakeStep   Move = "step"        // the next weight
	TakePause  Move = "pause"       // keep the weight, and wait for a person
	GiveBack   Move = "roll back"   // all traffic to stable; the release is over
	RollStable Move = "roll stable" // all traffic to the canary; stable's Deployment follows
	Finish     Move = "promote"     // the canary is stable; the release is over
)
