// Words of enumerations, as every gateway and every refusal prints them. "unknown" for other
// numbers.
#ifndef LONJA_SCHEMA_WORDS_H
#define LONJA_SCHEMA_WORDS_H

#include <stdint.h>

const char *word_of_phase(uint8_t phase);                 // enum market_phase
const char *word_of_order_type(uint8_t type);             // enum order_type
const char *word_of_time_in_force(uint8_t tif);           // enum time_in_force
const char *word_of_mass_scope(uint8_t scope);            // enum mass_scope
const char *word_of_amend_field(uint8_t field);           // the argument of REJECT_AMEND_FIELD
const char *word_of_kyc(uint8_t kyc);                     // enum kyc_status
const char *word_of_fatca(uint8_t fatca);                 // enum fatca_status
const char *word_of_limit_scope(uint8_t scope);           // enum limit_scope
const char *word_of_kill_scope(uint8_t scope);            // enum kill_scope
const char *word_of_xvp_state(uint8_t state);             // enum xvp_state
const char *word_of_xvp_step(uint8_t step);               // enum xvp_step
const char *word_of_accreditation(uint8_t accreditation); // enum accreditation

#endif
