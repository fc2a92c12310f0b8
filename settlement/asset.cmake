# What a new asset on the chain is made of: terms, plan, the signer's policy.
lonja_library(lonja_asset
  SOURCES refusal.c callers.c asset_plan.c asset_policy.c
  LIBS lonja_settle_setup lonja_chain_artifact lonja_base)
lonja_unit_test(refusal_test SOURCES refusal_test.c LIBS lonja_asset)
lonja_unit_test(callers_test SOURCES callers_test.c LIBS lonja_asset)
lonja_unit_test(asset_plan_test SOURCES asset_plan_test.c LIBS lonja_asset lonja_sign_parts)

# The chain's service: REST, and the agent that carries deployments out.
lonja_library(lonja_chain_service
  SOURCES asset_store.c asset_deploy.c service.c service_rows.c service_asset.c service_read.c
  LIBS lonja_asset lonja_settle_worker lonja_chain_rpc lonja_pg lonja_http lonja_workers Threads::Threads)

pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
lonja_executable(lonja-asset
  SOURCES asset_main.c asset_client.c
  LIBS lonja_asset lonja_supervisor PkgConfig::CURL PkgConfig::JANSSON)

# On real parts, as system.settle_chain_test.
add_test(NAME system.service_chain_test
  COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/service_chain_test.mjs" "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}" "${CMAKE_BINARY_DIR}/test")
add_test(NAME system.asset_chain_test
  COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/asset_chain_test.mjs" "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}" "${CMAKE_BINARY_DIR}/test")
set_tests_properties(system.service_chain_test system.asset_chain_test PROPERTIES LABELS system TIMEOUT 180 SKIP_RETURN_CODE 77)
