# Runs PROGRAM (cmake -DPROGRAM=… -DEXPECTED=… -P): it must exit with 0 and, if the file EXPECTED
# exists, print exactly what that holds. Its stderr is shown, not compared.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output RESULT_VARIABLE status)
if(NOT status STREQUAL "0")
  message(FATAL_ERROR "${PROGRAM}: exit status ${status}, having printed:\n${output}")
endif()
if(NOT EXISTS ${EXPECTED})
  return()
endif()
file(READ ${EXPECTED} expected)
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} printed:\n${output}\n${EXPECTED} has:\n${expected}")
endif()
