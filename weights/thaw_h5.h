#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "weights/spec.h"
#include "weights/store.h"

namespace thaw {

/// thaw's own weight file, an HDF5 file that every HDF5 tool reads:
///
///     /                    attributes format="thaw-weights", version="1", model_id, source, source_sha256,
///                          content_sha256 (see `content_sha256`), all fixed-length strings
///     /weights             attributes dtype="f32", tensor_names (array of strings, split over tensor_names0, 1, ...
///                          beyond 64512 bytes): the tensors in their order
///     /weights/<name>      one contiguous little-endian float32 dataset a tensor under its Keras 3 name
///                          ("conv_bn/gamma"; groups for '/'), in thaw's layout: convolution (K,R,S,C), depthwise
///                          (R,S,C), dense (out,in), vectors (C); row-major
///     /metadata/<key>      one scalar string dataset an entry, e.g. the settings of a run as JSON
///
/// The same content gives the same bytes: nothing in the file carries a time.
using Metadata = std::map<std::string, std::string>;

/// A digest of names, shapes and bits of all tensors in their order: SHA-256 over one line a tensor,
/// "<name> <shape> <sha256 of its little-endian values>\n". It names the content in cache keys and guards files.
std::string content_sha256(const WeightSet& set);

/// Writes `set` and `metadata` (keys without '/'). Throws `Error` (failed) naming the file and the reason.
void write_thaw_h5(const std::filesystem::path& path, const WeightSet& set, const Metadata& metadata = {});

/// Reads it back, checking the content's digest; fills `metadata` if it is not null. The file is untrusted input, see
/// `h5::Reader`. Throws `Error` (data) naming the file, what was expected and what was found.
WeightSet read_thaw_h5(const std::filesystem::path& path, Metadata* metadata = nullptr);

/// Whether the file says that it is one of thaw's. Throws `Error` (data) for what is no HDF5 file.
bool is_thaw_h5(const std::filesystem::path& path);

/// Reads weights for `spec` from a file of either format, told apart by structure. A thaw file must be for
/// `spec.model_id` and have all tensors of `spec`; further ones (a head) are kept. Throws `Error` (data).
WeightSet read_weights(const std::filesystem::path& path, const ModelSpec& spec, Metadata* metadata = nullptr);

}  // namespace thaw
