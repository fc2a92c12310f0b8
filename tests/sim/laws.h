// Laws: what must hold whatever happens. Those that can be seen while it happens are checked there,
// at every event that any follower is shown, every command that any replay applies, every epoch;
// the others at the end, from the journal alone, by a second engine that shares no source with the
// first (tests/model) and by the clients' own books.
//
// While it happens:
//   - no follower is shown an event above what is published as durable; none is shown one twice, or
//     out of order; all are shown the same
//   - what was published is recovered by every later core; epochs rise
//   - every replay (of core, tape and the checks; from the beginning, from any snapshot) has the
//     same running digest of events at the same sequence, and the same books; so has every view
//   - what several endpoints decide was said by an honest one of them (endpoints.c)
// At the end (laws_judge):
//   - the naive venue, given the journal's commands, says every event byte by byte: price-time
//     priority, holds, fees and all
//   - every event's postings sum to zero per asset; the balances folded from them are the engine's,
//   and
//     the recorder's in Postgres
//   - no order fills above its quantity, no client id names two orders, every answer and every
//     private event is in the journal, and the other way round (clients.h)
//   - no trade is settled twice on the chain; what the chain has settled, the ledger has booked
//   - where the chain takes back what was final and transactions fail, a trade that the chain has
//   not
//     as its row says is named by an incident, and nothing else differs; elsewhere none is
//   - nets: a transaction moves between two wallets what its recorded trades make one by one; those
//     of a net of zero make nothing, and nothing of them moves
//   - what the rows say that the venue has frozen in a wallet is what is frozen there
//   - the history of every trade and of every attempt is complete, in an allowed order, and agrees
//     with what the core was told, the signer has signed and the chain has (settle_fake_history.c)
//   - every transfer by others that the chain has is booked once on each side that is an account's,
//     none that it has not, none of our own (index_store.c); every wallet has what the ledger says
// The liveness law is weather.c's: after the faults have stopped all comes to rest in bounded time.
#ifndef LONJA_SIM_LAWS_H
#define LONJA_SIM_LAWS_H

#include <stdbool.h>
#include <stdint.h>

struct view;

void laws_begin(void);
void laws_core_died(void);
void laws_power_failed(void);
// The power is back: a snapshot that has its name is whole.
void laws_snapshots(void);
void laws_view(const struct view *view); // at the end of a command
// The journal's or the tape's disk is failing by the simulator's will.
void laws_disk_fails(void);
bool laws_disk_has_failed(void);
uint64_t laws_published(void);
// Everything is at rest: judges the whole life.
void laws_judge(void);
uint64_t laws_commands(void);
uint64_t laws_trades(void);

#endif
