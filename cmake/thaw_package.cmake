# cpack: two Debian packages (thaw, thaw-dev) and a tarball that runs from wherever it is unpacked.
set(THAW_MAINTAINER "thaw maintainers <maintainers@thaw.invalid>" CACHE STRING "Who answers for the packages")
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME thaw)
set(CPACK_PACKAGE_VENDOR thaw)
set(CPACK_PACKAGE_CONTACT ${THAW_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "study which layers of a pretrained CNN to unfreeze")
set(CPACK_PACKAGE_FILE_NAME thaw-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME thaw)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${THAW_PRIVATE_LIBRARY_DIRS})  # of what is bundled
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
    "A command that fine-tunes ResNet50 and MobileNetV3 on folders of photos,\nwith any of their layers frozen.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME thaw-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "thaw (= ${PROJECT_VERSION}), libdnnl-dev, ocl-icd-opencl-dev, libfmt-dev, \
libhdf5-dev, libarchive-dev, libjpeg62-turbo-dev, libssl-dev, nlohmann-json3-dev, libcurl4-openssl-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Static libraries, headers and the CMake package of thaw.")

set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/cpack_generator.cmake)
include(CPack)
