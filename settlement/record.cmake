# The recorder: the tape to Postgres.
lonja_library(lonja_recording SOURCES record_batch.c record_store.c record.c
  LIBS lonja_follower lonja_risk lonja_pg lonja_base lonja_schema)
lonja_executable(lonja-record SOURCES record_main.c LIBS lonja_recording)
