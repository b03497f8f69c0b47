include(${CMAKE_CURRENT_LIST_DIR}/vervet_targets.cmake)
