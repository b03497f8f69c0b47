# The target `docs`: the library's reference, from the headers' comments, to <build>/docs/html.
find_program(DOXYGEN doxygen)
mark_as_advanced(DOXYGEN)
if(DOXYGEN)
  add_custom_target(docs
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/docs
    COMMAND ${CMAKE_COMMAND} -E env
      SOURCE_DIR=${PROJECT_SOURCE_DIR} OUTPUT_DIR=${PROJECT_BINARY_DIR}/docs
      ${DOXYGEN} ${PROJECT_SOURCE_DIR}/cmake/Doxyfile
    VERBATIM)
endif()
