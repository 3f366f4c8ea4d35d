# The header, both libraries, the command, npvec.pc and the CMake package; all of it works from any prefix.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/npvec")

install(FILES include/npvec.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

# Two export sets: a program that links the shared library needs none of the packages that the static one needs.
install(TARGETS npvec EXPORT npvec-shared)
install(TARGETS npvec_static EXPORT npvec-static)
install(EXPORT npvec-shared NAMESPACE npvec:: DESTINATION "${package_dir}")
install(EXPORT npvec-static NAMESPACE npvec:: DESTINATION "${package_dir}")
if(NPVEC_BUILD_CLI)
  install(TARGETS npvec_command)
endif()

configure_package_config_file(cmake/npvecConfig.cmake.in npvecConfig.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(npvecConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/npvecConfig.cmake" "${PROJECT_BINARY_DIR}/npvecConfigVersion.cmake"
        DESTINATION "${package_dir}")

set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH prefix_from_pkgconfig "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig "${prefix_from_pkgconfig}")
configure_file(cmake/npvec.pc.in npvec.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/npvec.pc" DESTINATION "${pkgconfig_dir}")
