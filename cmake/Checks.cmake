# Checks of the sources themselves, as CTest tests with the label `checks`.
function(trunkline_check name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS checks SKIP_RETURN_CODE 77)
endfunction()

find_package(Python3 REQUIRED COMPONENTS Interpreter)
trunkline_check(layers ${Python3_EXECUTABLE} -B tools/check_layers.py)
trunkline_check(layers_checker ${Python3_EXECUTABLE} -B tools/check_layers_test.py)
trunkline_check(file_lengths ${Python3_EXECUTABLE} -B tools/check_lengths.py)
trunkline_check(formatting ./dev fmt --check)
trunkline_check(clang_tidy ./dev lint)
trunkline_check(dev_script tools/check_dev.sh)

# Every header is compiled alone, by one generated source for each, in a target of its own so that
# ordinary builds do not pay for it.
get_property(modules GLOBAL PROPERTY trunkline_modules)
add_custom_target(headers)
foreach(module ${modules})
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE "${CMAKE_SOURCE_DIR}/src"
       "${CMAKE_SOURCE_DIR}/src/${module}/*.h")
  set(sources)
  foreach(header ${headers})
    set(source "${CMAKE_BINARY_DIR}/headers/${header}.cc")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"@header@\"\n" @ONLY)
    list(APPEND sources "${source}")
  endforeach()
  if(sources)
    add_library(headers_${module} OBJECT EXCLUDE_FROM_ALL ${sources})
    target_link_libraries(headers_${module} PRIVATE trunkline_${module})
    add_dependencies(headers headers_${module})
  endif()
endforeach()
trunkline_check(headers_compile_alone ${CMAKE_COMMAND} --build "${CMAKE_BINARY_DIR}" --target headers)
# They use every CPU by themselves.
set_tests_properties(clang_tidy headers_compile_alone PROPERTIES RUN_SERIAL ON TIMEOUT 1800)
