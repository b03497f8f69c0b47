# cmake --install: bin/vervet, lib/libvervet.so, lib/libvervet_preload.so, include/vervet and a
# package that offers vervet::vervet, vervet::patched and, with OpenSSL, vervet::tls.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vervet)

install(TARGETS vervet_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set_target_properties(vervet_runtime PROPERTIES EXPORT_NAME vervet)
set_target_properties(vervet_preload PROPERTIES EXPORT_NAME preload)
set_target_properties(vervet_patched PROPERTIES EXPORT_NAME patched)
target_compile_features(vervet_runtime INTERFACE cxx_std_20)
install(TARGETS vervet_runtime vervet_preload vervet_patched EXPORT vervet_targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/vervet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(EXPORT vervet_targets NAMESPACE vervet:: DESTINATION ${package_dir})
if(TARGET vervet_tls)
  set_target_properties(vervet_tls PROPERTIES EXPORT_NAME tls)
  install(TARGETS vervet_tls EXPORT vervet_tls_targets)
  install(EXPORT vervet_tls_targets NAMESPACE vervet:: FILE vervet_tls_targets.cmake
    DESTINATION ${package_dir})
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vervetConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_SOURCE_DIR}/cmake/vervetConfig.cmake ${PROJECT_BINARY_DIR}/vervetConfigVersion.cmake
  DESTINATION ${package_dir})
