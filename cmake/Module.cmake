# trunkline_module(<name> LAYER <n> [DEPS <library>...])
#
# A module is a folder of src/: its *.cc make the library `trunkline_<name>`, its *_test.cc the test program
# `<name>_test`. A module links, and may include, only modules of lower layers; the test `layers` reads the table in
# src/CMakeLists.txt and fails when an include goes up or sideways.
function(trunkline_module name)
  cmake_parse_arguments(arg "" "LAYER" "DEPS" ${ARGN})
  set_property(GLOBAL APPEND PROPERTY trunkline_modules ${name})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cc")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  set(kind STATIC)
  set(scope PUBLIC)
  if(NOT sources)
    set(kind INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(trunkline_${name} ${kind} ${sources})
  target_include_directories(trunkline_${name} ${scope} "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(trunkline_${name} ${scope} ${arg_DEPS})

  if(tests AND BUILD_TESTING)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE trunkline_${name} GTest::gtest GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endfunction()
