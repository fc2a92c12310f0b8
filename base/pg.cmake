# Postgres behind one shim; for every process that speaks to it.
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
lonja_library(lonja_pg SOURCES pg.c pg_flight.c pg_async.c pg_copy.c LIBS lonja_base PkgConfig::LIBPQ)
lonja_unit_test(pg_copy_test SOURCES pg_copy_test.c LIBS lonja_pg)

# Needs a server (its environment is in pg_test.c); says so and is skipped without one.
lonja_unit_test(pg_test SOURCES pg_test.c LIBS lonja_pg)
set_tests_properties(unit.pg_test PROPERTIES LABELS postgres SKIP_RETURN_CODE 77)
