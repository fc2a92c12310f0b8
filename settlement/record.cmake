# The recorder: the tape to Postgres.
lonja_library(lonja_recording
  SOURCES record_batch.c record_column.c record_rows.c record_reference.c record_risk.c record_store.c record.c
          record_rebuild.c
  LIBS lonja_follower lonja_risk lonja_pg lonja_base lonja_schema)
lonja_executable(lonja-record SOURCES record_main.c LIBS lonja_recording)

# Needs a scratch database (see record_testing.h); says so and is skipped without one.
foreach(test record_test record_fault_test)
  lonja_unit_test(${test} SOURCES ${test}.c record_testing.c record_proxy.c ${CMAKE_SOURCE_DIR}/core/testing.c
    LIBS lonja_recording lonja_matcher Threads::Threads)
  set_tests_properties(unit.${test} PROPERTIES LABELS postgres SKIP_RETURN_CODE 77)
endforeach()
