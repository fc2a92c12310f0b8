# What a new asset on the chain is made of: terms, plan, the signer's policy.
lonja_library(lonja_asset
  SOURCES refusal.c callers.c asset_plan.c asset_policy.c
  LIBS lonja_settle_setup lonja_chain_artifact lonja_base)
lonja_unit_test(refusal_test SOURCES refusal_test.c LIBS lonja_asset)
lonja_unit_test(callers_test SOURCES callers_test.c LIBS lonja_asset)
lonja_unit_test(asset_plan_test SOURCES asset_plan_test.c LIBS lonja_asset lonja_sign_parts)
