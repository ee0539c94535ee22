# trunkline_module(<name> LAYER <n> [DEPS <library>...])
#
# A module is a folder of src/: its *.cc make the library `trunkline_<name>`, its *_test.cc the test program
# `<name>_test`. A module links, and may include, only modules of lower layers; the test `layers` reads the table in
# src/CMakeLists.txt and fails when an include goes up or sideways. Files whose helpers have
# names that others use as well are listed in src/CMakeLists.txt, and are compiled alone.
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
  if(sources)
    target_compile_options(trunkline_${name} PRIVATE ${TRUNKLINE_LTO_COMPILE})
  endif()

  if(tests AND BUILD_TESTING)
    add_executable(${name}_test ${tests})
    if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
      # What they test is optimised: they need not be, and are built in half the time.
      target_compile_options(${name}_test PRIVATE -O0 -U_FORTIFY_SOURCE)
    endif()
    target_link_libraries(${name}_test PRIVATE trunkline_${name} GTest::gtest GTest::gmock GTest::gtest_main)
    if(TRUNKLINE_SANITIZE)
      # One process for all of them: a sanitizer takes longer to start than most tests to run.
      add_test(NAME ${name}_test COMMAND ${name}_test --gtest_brief=1)
      set_tests_properties(${name}_test PROPERTIES LABELS unit TIMEOUT 900)
    else()
      gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 120)
    endif()
  endif()
endfunction()
