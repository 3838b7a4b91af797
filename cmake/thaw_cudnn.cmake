# What the CUDA backend's convolutions need beyond the toolkit: cuDNN and its header-only front end. Sets
# THAW_CUDNN_INCLUDE_DIRS and THAW_CUDNN_LIBRARIES.
find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ENV CUDNN_PATH ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES include)
find_library(CUDNN_LIBRARY cudnn HINTS ENV CUDNN_PATH ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}
             PATH_SUFFIXES lib lib64)
if(NOT CUDNN_INCLUDE_DIR OR NOT CUDNN_LIBRARY)
  message(FATAL_ERROR "cuDNN 9 was not found (cudnn.h: ${CUDNN_INCLUDE_DIR}, libcudnn.so: ${CUDNN_LIBRARY}); "
                      "install it beside the CUDA toolkit, or set CUDNN_PATH to the folder that holds include and lib")
endif()

find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h HINTS ENV CUDNN_FRONTEND_INCLUDE_DIR
          ${PROJECT_SOURCE_DIR}/build/cudnn_frontend/include ${CUDAToolkit_INCLUDE_DIRS})
if(NOT CUDNN_FRONTEND_INCLUDE_DIR)
  message(FATAL_ERROR "The headers of cudnn-frontend were not found; scripts/setup --with-cuda fetches them, or set "
                      "CUDNN_FRONTEND_INCLUDE_DIR to the folder that holds cudnn_frontend.h")
endif()

set(THAW_CUDNN_INCLUDE_DIRS ${CUDNN_INCLUDE_DIR} ${CUDNN_FRONTEND_INCLUDE_DIR})
set(THAW_CUDNN_LIBRARIES ${CUDNN_LIBRARY})
