# One place for compiler flags and for how a folder becomes a library.
include(GNUInstallDirs)

find_program(THAW_CCACHE ccache)
if(THAW_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${THAW_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${THAW_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${THAW_CCACHE})
endif()

add_library(thaw_flags INTERFACE)
target_compile_options(thaw_flags INTERFACE
  $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Werror>>)
target_compile_features(thaw_flags INTERFACE cxx_std_20)
target_include_directories(thaw_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/thaw>)
if(THAW_SANITIZE)
  target_compile_options(thaw_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${THAW_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined>)
  target_link_options(thaw_flags INTERFACE -fsanitize=${THAW_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Between the checks g++ 12 sees uninitialised members in the standard library's <functional>.
    target_compile_options(thaw_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
endif()

# thaw_add_library(NAME deps...): every .cpp of the current folder, linked to its dependencies.
function(thaw_add_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC thaw_flags ${ARGN})
endfunction()

# For code that is not run often: in the Release build -O1, which takes the compiler about a third less time.
function(thaw_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()
