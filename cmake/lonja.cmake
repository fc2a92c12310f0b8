# What every folder's CMakeLists.txt uses: flags, sanitizers, and three ways to add a target.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

option(LONJA_HARDENING "Stack protector, fortify, PIE, full RELRO" OFF)
set(LONJA_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=")
# Seconds that a test may take; sanitizers slow it ten times and more.
set(LONJA_TIMEOUT 300)
if(LONJA_SANITIZE)
  set(LONJA_TIMEOUT 1800)
endif()

# Every executable lands in one folder, so that `lonja` finds its siblings.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

add_library(lonja_warnings INTERFACE)
target_compile_definitions(lonja_warnings INTERFACE _GNU_SOURCE)
target_include_directories(lonja_warnings INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(lonja_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion -Wshadow
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wwrite-strings
    -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wswitch-enum -fno-common>)
# A text cut by snprintf is cut on purpose, and whether gcc sees it depends on the optimisation level.
target_compile_options(lonja_warnings INTERFACE $<$<COMPILE_LANG_AND_ID:C,GNU>:-Wno-format-truncation>)
# crc32c and friends need SSE4.2; v2 is every x86-64 server since 2009.
target_compile_options(lonja_warnings INTERFACE -march=x86-64-v2 -fno-strict-aliasing)

if(LONJA_HARDENING)
  target_compile_options(lonja_warnings INTERFACE -fstack-protector-strong -U_FORTIFY_SOURCE
    -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fcf-protection)
  target_link_options(lonja_warnings INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(LONJA_SANITIZE)
  target_compile_definitions(lonja_warnings INTERFACE LONJA_SANITIZED) # clang 14 has no __SANITIZE_…
  target_compile_options(lonja_warnings INTERFACE -fsanitize=${LONJA_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(lonja_warnings INTERFACE -fsanitize=${LONJA_SANITIZE})
  if(LONJA_SANITIZE MATCHES thread AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc warns that tsan does not model fences; ours only order wake-ups, never data.
    target_compile_options(lonja_warnings INTERFACE -Wno-tsan)
  endif()
endif()

# A process that ends by _exit says what it has counted, too.
if(CMAKE_C_FLAGS MATCHES LONJA_COVERAGE)
  add_library(lonja_coverage_exit STATIC "${CMAKE_CURRENT_LIST_DIR}/coverage_exit.c")
  add_link_options(-Wl,--wrap=_exit)
  link_libraries(lonja_coverage_exit)
endif()

# lonja_library(NAME SOURCES a.c b.c LIBS x y): a static library of ours. Who tries one change of it after another
# (tests/mutants) has it shared, so that no program is linked again.
set(LONJA_SHARED "" CACHE STRING "Libraries of ours that are to be shared")
function(lonja_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  if(name IN_LIST LONJA_SHARED)
    add_library(${name} SHARED ${ARG_SOURCES})
  else()
    add_library(${name} STATIC ${ARG_SOURCES})
  endif()
  target_link_libraries(${name} PUBLIC lonja_warnings ${ARG_LIBS})
endfunction()

# lonja_executable(NAME SOURCES … LIBS …): build/<preset>/bin/NAME. The target `venue` builds those that a venue
# runs (lonja, lonja-…): no test, no benchmark.
add_custom_target(venue)
function(lonja_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(name MATCHES "^lonja(-|$)")
    add_dependencies(venue ${name})
  endif()
  target_link_libraries(${name} PRIVATE lonja_warnings ${ARG_LIBS})
endfunction()

# What takes seconds begins first, so that nothing is left to run alone at the end; ctest itself knows only after a first run.
set(LONJA_LONG auction_test chain_keystore_test core_explain_test core_sequencer_test core_tape_test
  fix_process_test settle_hostile_test settle_test view_test)

# lonja_unit_test(NAME SOURCES name_test.c LIBS …): a cmocka program, ctest label "unit".
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
# What several folders use.
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
function(lonja_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test")
  target_link_libraries(${name} PRIVATE lonja_warnings ${ARG_LIBS} PkgConfig::CMOCKA)
  add_test(NAME unit.${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT ${LONJA_TIMEOUT})
  if(name IN_LIST LONJA_LONG)
    set_tests_properties(unit.${name} PROPERTIES COST 1000)
  endif()
endfunction()
