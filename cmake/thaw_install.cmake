# What `cmake --install` and `cpack` put where. Two components: `runtime` (the command, its manual, completions) and
# `development` (static libraries, headers, the CMake package).
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/thaw)
set(THAW_BUNDLED_LIBRARIES "" CACHE STRING
    "Further shared libraries to install into lib/thaw; those outside the system's folders are found by themselves")

# The command, and beside it each shared library that it needs and that the system's package manager does not look after.
# The old kind of rpath (DT_RPATH) is meant: it also serves what those libraries themselves need.
set_target_properties(thaw PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/thaw")
target_link_options(thaw PRIVATE LINKER:--disable-new-dtags)
install(TARGETS thaw RUNTIME_DEPENDENCY_SET thaw_shared RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
# NVIDIA's libraries are hundreds of megabytes and load parts of themselves by name: they stay where they are installed.
install(RUNTIME_DEPENDENCY_SET thaw_shared
  PRE_EXCLUDE_REGEXES "^lib(cudnn|cublas|nvrtc|nvJitLink)"
  POST_EXCLUDE_REGEXES "^/lib(32|64)?/" "^/usr/lib(32|64)?/"
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/thaw COMPONENT runtime)
if(THAW_BUNDLED_LIBRARIES)
  install(FILES ${THAW_BUNDLED_LIBRARIES} DESTINATION ${CMAKE_INSTALL_LIBDIR}/thaw COMPONENT runtime)
endif()

# The manual and the completions are written by the command itself, from its own tables.
set(written ${PROJECT_BINARY_DIR}/written)
file(MAKE_DIRECTORY ${written})
set(pages)
foreach(page "man:thaw.1" "completion bash:thaw.bash" "completion zsh:_thaw" "completion fish:thaw.fish")
  string(REGEX REPLACE ":.*" "" words "${page}")
  string(REGEX REPLACE ".*:" "" name "${page}")
  separate_arguments(words)
  add_custom_command(OUTPUT ${written}/${name} COMMAND thaw ${words} > ${written}/${name}.tmp
    COMMAND ${CMAKE_COMMAND} -E rename ${written}/${name}.tmp ${written}/${name} DEPENDS thaw VERBATIM)
  list(APPEND pages ${written}/${name})
endforeach()
add_custom_target(thaw_pages ALL DEPENDS ${pages})
install(FILES ${written}/thaw.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
install(FILES ${written}/thaw.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME thaw
  COMPONENT runtime)
install(FILES ${written}/thaw.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT runtime)
install(FILES ${written}/_thaw DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

# The libraries. Their headers include each other as "framework/tensor.h", so the folder above those, include/thaw, is
# the one on the include path; <thaw/framework/tensor.h> works as well.
set(libraries kernels framework models data weights fetch)
foreach(library ${libraries})
  set_target_properties(thaw_${library} PROPERTIES EXPORT_NAME ${library})
  install(TARGETS thaw_${library} EXPORT thaw ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${library}/*.h)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/thaw/${library} COMPONENT development)
endforeach()
set_target_properties(thaw_flags PROPERTIES EXPORT_NAME flags)
install(TARGETS thaw_flags EXPORT thaw)
install(EXPORT thaw NAMESPACE thaw:: FILE thawTargets.cmake DESTINATION ${package_folder} COMPONENT development)

# oneDNN from outside the system's folders comes with us (a shared one with the command, above), so the package says
# where it lies.
set(THAW_BUNDLED_ONEDNN "")
set(onednn "")
get_target_property(configurations DNNL::dnnl IMPORTED_CONFIGURATIONS)
foreach(property IMPORTED_LOCATION ${configurations})
  if(NOT property STREQUAL "IMPORTED_LOCATION")
    set(property IMPORTED_LOCATION_${property})
  endif()
  get_target_property(location DNNL::dnnl ${property})
  if(location AND NOT onednn)
    set(onednn ${location})
  endif()
endforeach()
if(onednn AND NOT onednn MATCHES "^/(usr/)?lib")
  get_filename_component(folder ${onednn} DIRECTORY)
  list(APPEND THAW_PRIVATE_LIBRARY_DIRS ${folder})
  if(onednn MATCHES "\\.a$")
    install(FILES ${onednn} DESTINATION ${CMAKE_INSTALL_LIBDIR}/thaw COMPONENT development)
  else()  # a consumer links by the name under which the loader looks for it
    execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${onednn} OUTPUT_VARIABLE headers ERROR_QUIET)
    if(headers MATCHES "SONAME +([^ \n]+)")
      set(onednn ${CMAKE_MATCH_1})
    endif()
  endif()
  get_filename_component(name ${onednn} NAME)
  set(THAW_BUNDLED_ONEDNN ${CMAKE_INSTALL_LIBDIR}/thaw/${name})
endif()
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/thawConfig.cmake.in ${PROJECT_BINARY_DIR}/thawConfig.cmake
  INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/thawConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/thawConfig.cmake ${PROJECT_BINARY_DIR}/thawConfigVersion.cmake
  DESTINATION ${package_folder} COMPONENT development)
