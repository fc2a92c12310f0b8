// What hands.c and proofs.c share: rows that people write, which the settlement worker obeys.
#ifndef LONJA_GATEWAY_ADMIN_HANDS_H
#define LONJA_GATEWAY_ADMIN_HANDS_H

#include "gateway/admin/admin.h"

// The one row of a statement that touches one at most; NULL: there is none, or (with the answer made)
// the database failed: *failed.
struct pg_rows *hands_row(struct ask *ask, bool *failed, const char *sql,
                          const struct pg_param *params, size_t count);
// {"<what>": id, "state"}; `repeated`: it was so before, by the same person.
void hands_tell(struct ask *ask, const char *what, int64_t id, const char *state, bool repeated);
// The field `token`: a symbol or a number; absent: *token stays as it is.
CHECKED bool hands_token(struct ask *ask, int64_t *token);
// The first person does not decide a second time: refused if the statement ($1 the number in the
// path, $2 who asks) finds a row. Also false if the database failed.
CHECKED bool hands_is_another(struct ask *ask, const char *sql);
// Changes the row if it is open, by the first statement; else it may be this person's own decision,
// sent twice, by the second. Of neither: refused with `code`. $1, $2 as above, $3 the reason, if there is one.
void hands_decide(struct ask *ask, const char *what, const char *state, uint16_t code,
                  const char *change, const char *done_before, const char *reason);

#endif
