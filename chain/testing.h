/* Test only: cmocka with the headers that it needs in front of it. */
#ifndef LONJA_CHAIN_TESTING_H
#define LONJA_CHAIN_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
