#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "kernels/digest.h"

namespace thaw {

/// A file on the web that is known by its content. The digest decides: whatever else has its name is not it.
struct RemoteFile {
  std::string name;  ///< without folders; its name in the download folder
  std::string url;
  std::uint64_t bytes = 0;  ///< 0: not known beforehand
  std::string md5 = {};     ///< one of the two digests, as the publisher pins it; hexadecimal
  std::string sha256 = {};
};

struct DownloadOptions {
  bool force = false;     ///< download again even if the file is there, and without what came before
  int tries = 5;          ///< failures in a row, without a byte in between, until it gives up
  double first_wait = 1;  ///< seconds before the second try; doubled each time, 30 at most
  double connect_seconds = 20;
  int stall_seconds = 30;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  ///< of a file whose size is not known beforehand
  std::string agent = "thaw";
  std::function<bool()> stop = {};  ///< true: leave off and keep what has come
  /// Bytes of the file that are there, and of all (0: unknown); called with every piece.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
  std::function<void(std::string_view)> note = {};  ///< what a person should know, as a sentence without a full stop
};

enum class DownloadEnd {
  present,     ///< was there already, with the right digest
  downloaded,  ///< is there now
  stopped,     ///< `stop` said so; `partial` can be gone on with
};

struct Download {
  DownloadEnd end = DownloadEnd::present;
  std::filesystem::path path;          ///< of the whole file
  std::filesystem::path partial = {};  ///< of the part of a file that is not whole yet
  std::uint64_t bytes = 0;             ///< in the one or the other
  std::uint64_t resumed_from = 0;      ///< bytes that an earlier call had left
  std::uint64_t received = 0;          ///< bytes that came over the network in this call
};

/// Puts `file` into `folder` under its name, whole and with the right digest, or not at all. What has come of it lies
/// in `NAME.part` until then; a later call asks the server for the rest only. A connection that breaks is tried again
/// from where it broke. There is no ETag to keep: a file that changed on the server cannot have the digest, and parts
/// of two files are found out by it and fetched anew, once.
///
/// Throws `Error`: (failed) no network, no such file on the server, disk full, another process downloads it; (data) a
/// file of that name with another content, in the folder or on the server.
Download download(const RemoteFile& file, const std::filesystem::path& folder, const DownloadOptions& options);

}  // namespace thaw
