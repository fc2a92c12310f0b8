// Words of enumerations, as every gateway prints them.
#ifndef LONJA_GATEWAY_WORDS_H
#define LONJA_GATEWAY_WORDS_H

#include <stdint.h>

const char *word_of_phase(uint8_t phase); // enum market_phase; "unknown" for other numbers
const char *word_of_kyc(uint8_t kyc);     // enum kyc_status
const char *word_of_fatca(uint8_t fatca); // enum fatca_status

#endif
