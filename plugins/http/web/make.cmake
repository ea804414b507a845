# SPDX-License-Identifier: MIT
#
# cmake -DSOURCE=… -DWORK=… -DOUT=… [-DSTAMP=…] [-DDEV=ON] -P make.cmake
#
# Copies the sources of the pages to WORK, so that several build folders do not meet in one
# node_modules, gets the packages there and builds into OUT. Without npm, or without a network for
# it, the daemon has to do without pages: that is a warning. A mistake in the sources is an error.
# DEV: with the packages that the tests need; OUT may be left out then.
function(run what)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE status
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(status ${status} PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

find_program(NPM npm)
find_program(NODE NAMES node nodejs)
if(NOT NPM OR NOT NODE)
  message(WARNING "The pages are not built: there is no npm. scripts/bootstrap installs it.")
  return()
endif()

file(REMOVE_RECURSE ${WORK}/src ${WORK}/make ${WORK}/public)
file(GLOB files ${SOURCE}/*.json ${SOURCE}/*.mjs ${SOURCE}/*.html ${SOURCE}/.npmrc)
foreach(folder src make public)
  if(EXISTS ${SOURCE}/${folder})
    list(APPEND files ${SOURCE}/${folder})
  endif()
endforeach()
file(COPY ${files} DESTINATION ${WORK})

file(SHA256 ${WORK}/package-lock.json wanted)
set(have "")
if(EXISTS ${WORK}/node_modules/.of-lock)
  file(READ ${WORK}/node_modules/.of-lock have)
endif()
if(NOT have STREQUAL wanted)
  set(omit --omit=dev)
  if(DEV)
    set(omit --include=dev)
  endif()
  message(STATUS "Getting the packages of the pages")
  run("npm ci" ${NPM} ci ${omit} --ignore-scripts --fetch-retries=1 --fetch-timeout=60000 --loglevel=error)
  if(NOT status EQUAL 0)
    message(WARNING "The pages are not built: their packages cannot be had.\n${output}")
    return()
  endif()
  file(WRITE ${WORK}/node_modules/.of-lock ${wanted})
endif()

if(OUT)
  run("build" ${NODE} build.mjs --out ${OUT})
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "The pages cannot be built:\n${output}")
  endif()
endif()
if(STAMP)
  file(TOUCH ${STAMP})
endif()
