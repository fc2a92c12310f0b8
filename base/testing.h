// cmocka needs these in this order.
#ifndef LONJA_BASE_TESTING_H
#define LONJA_BASE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
