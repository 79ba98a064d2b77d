# What is installed, and the packages made of it: cpack -G DEB, cpack -G TGZ (in the build folder).
# Completion and manual pages are printed by the program itself.
set(_gen ${CMAKE_BINARY_DIR}/package)
set(_doc ${_gen}/inro.1 ${_gen}/inro.ja.1 ${_gen}/inro.bash ${_gen}/_inro)
add_custom_command(
  OUTPUT ${_doc}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${_gen}
  COMMAND inro manual --lang en > ${_gen}/inro.1
  COMMAND inro manual --lang ja > ${_gen}/inro.ja.1
  COMMAND inro completion bash > ${_gen}/inro.bash
  COMMAND inro completion zsh > ${_gen}/_inro
  DEPENDS inro
  VERBATIM)
add_custom_target(inro_package_files ALL DEPENDS ${_doc})

set(_pkg ${CMAKE_SOURCE_DIR}/packaging)
install(TARGETS inro RUNTIME DESTINATION bin)
install(FILES ${_gen}/inro.1 DESTINATION share/man/man1)
install(FILES ${_gen}/inro.ja.1 DESTINATION share/man/ja/man1 RENAME inro.1)
install(FILES ${_gen}/inro.bash DESTINATION share/bash-completion/completions RENAME inro)
install(FILES ${_gen}/_inro DESTINATION share/zsh/vendor-completions)
install(FILES ${_pkg}/inro.service DESTINATION lib/systemd/system)
install(FILES ${_pkg}/sysusers.conf DESTINATION lib/sysusers.d RENAME inro.conf)
install(FILES ${_pkg}/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME inro.conf)
install(FILES ${_pkg}/copyright ${CMAKE_SOURCE_DIR}/CHANGELOG.md ${CMAKE_SOURCE_DIR}/docs/operations.md
              ${CMAKE_SOURCE_DIR}/docs/operations.ja.md DESTINATION share/doc/inro)
install(FILES ${_pkg}/Containerfile DESTINATION share/doc/inro/container)
install(PROGRAMS ${_pkg}/container-start DESTINATION share/doc/inro/container)
install(FILES ${_pkg}/inro.conf DESTINATION /etc/inro PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)

set(CPACK_PACKAGE_NAME inro)
set(CPACK_PACKAGE_VENDOR "Inro")
set(CPACK_PACKAGE_CONTACT "The Inro authors <inro@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "keeps TLS certificates alive")
set(CPACK_PACKAGE_DESCRIPTION
    "Applies to certificate authorities, deploys to web servers and load balancers, proves what is\n served, watches expiry and tells people in time; in Japanese and English.")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_FILE_NAME inro-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles, debconf | debconf-2.0, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${_pkg}/debian/preinst ${_pkg}/debian/postinst ${_pkg}/debian/prerm ${_pkg}/debian/postrm
    ${_pkg}/debian/conffiles ${_pkg}/debian/templates)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
include(CPack)
