// The simplest engine that keeps matcher/engine.h's promises, for tests of what is around it. Its
// state is a hash of its history and a counter. Commands make it do things:
//   nav_set: nav = N makes N events (1 … command_events_max); nav = FAKE_POISON asserts
//   reference_set: price = N asks for N continuation commands
//   breaker_set: tripped = N: the next deadline is N ns after the time of the command; instrument
//   = M: M more are due at once when it comes
#ifndef LONJA_CORE_FAKE_ENGINE_H
#define LONJA_CORE_FAKE_ENGINE_H

enum { FAKE_POISON = 666666 };

#endif
