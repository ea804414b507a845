# How a plugin is built: the same rules in this repository and against an installed SDK.
#
#   mk_add_plugin(rainmap
#     SOURCES src/rainmap.c [...]
#     [LIBRARIES sqlite3 ...]        what else it links
#     [CONFORM_ARGS --skip L5 ...]   for meshkern-conform
#     [NO_CONFORM]                   do not register the test conform:rainmap
#     [DESTINATION dir])             install it there
#
#   mk_add_plugin_test(rainmap SOURCES tests/test_rainmap.c [...] [LIBRARIES ...])
#
# The first makes the target `rainmap` and the file plugins/rainmap.so in the build folder. The
# second makes an executable of Criterion tests that contains the plugin's own objects, its libraries
# and the test kit, and registers the test unit:plugins/rainmap. Without Criterion it does nothing.
# -DMK_SANITIZE=address,undefined works if the SDK was built with the same.

# What both have in common. In the SDK's own build, mk_flags has it all.
function(mk_plugin_flags target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  if(TARGET mk_flags)
    target_link_libraries(${target} PRIVATE mk_flags)
    return()
  endif()
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
  if(MK_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${MK_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${MK_SANITIZE})
  endif()
endfunction()

function(mk_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_CONFORM" "DESTINATION" "SOURCES;LIBRARIES;CONFORM_ARGS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "mk_add_plugin(${name}): SOURCES are missing, or do not know "
      "\"${arg_UNPARSED_ARGUMENTS}\"")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  mk_plugin_flags(${name})
  set_target_properties(${name} PROPERTIES
    PREFIX "" C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} meshkern::sdk)
  # now, relro: no address is looked up or writable later. nodelete: the daemon may close it, but
  # threads and destructors of libraries in it may outlive that.
  target_link_options(${name} PRIVATE -Wl,--as-needed -Wl,-z,relro,-z,now,-z,nodelete)
  if(NOT MK_SANITIZE) # a sanitizer's runtime may be in the program that loads the plugin
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  if(arg_DESTINATION)
    install(TARGETS ${name} LIBRARY DESTINATION ${arg_DESTINATION} COMPONENT daemon)
  endif()
  if(NOT arg_NO_CONFORM)
    add_test(NAME conform:${name}
      COMMAND meshkern::conform ${arg_CONFORM_ARGS} $<TARGET_FILE:${name}>)
    set_tests_properties(conform:${name} PROPERTIES LABELS conform TIMEOUT 600)
  endif()
endfunction()

function(mk_add_plugin_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  pkg_check_modules(CRITERION QUIET IMPORTED_TARGET criterion)
  if(NOT CRITERION_FOUND OR MK_SANITIZE MATCHES thread) # Criterion cannot run under TSan
    message(STATUS "The tests of ${name} are left out")
    return()
  endif()
  add_executable(test_${name} ${arg_SOURCES} $<TARGET_OBJECTS:${name}>)
  mk_plugin_flags(test_${name})
  target_compile_options(test_${name} PRIVATE -Wno-conversion) # in Criterion's macros
  set_target_properties(test_${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(test_${name} PRIVATE $<TARGET_PROPERTY:${name},INCLUDE_DIRECTORIES>)
  target_link_libraries(test_${name} PRIVATE ${arg_LIBRARIES} meshkern::testkit PkgConfig::CRITERION
    $<TARGET_PROPERTY:${name},LINK_LIBRARIES>)
  add_test(NAME unit:plugins/${name} COMMAND test_${name} -j1 --verbose)
  # Criterion does not see how a worker ends after its test.
  set_tests_properties(unit:plugins/${name} PROPERTIES LABELS unit TIMEOUT 120
    FAIL_REGULAR_EXPRESSION "LeakSanitizer: detected memory leaks")
endfunction()
