#include "chain/signer.h"

#include "base/assert.h"

bool signer_result_is_known(uint32_t result)
{
    switch (result) {
#define X(name, code, word, transient) case code:
        SIGNER_RESULTS(X)
#undef X
        return true;
    }
    return false;
}

const char *signer_result_text(enum signer_result result)
{
    switch (result) {
#define X(name, code, word, transient)                                                             \
    case SIGNER_##name:                                                                            \
        return word;
        SIGNER_RESULTS(X)
#undef X
    }
    ASSERT(false); /* a result of the table */
}

bool signer_result_is_transient(enum signer_result result)
{
    switch (result) {
#define X(name, code, word, transient)                                                             \
    case SIGNER_##name:                                                                            \
        return transient;
        SIGNER_RESULTS(X)
#undef X
    }
    ASSERT(false); /* a result of the table */
}
