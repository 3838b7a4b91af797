#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "framework/network.h"

namespace thaw {

/// Where a prefix cache keeps its rows.
struct PrefixCacheOptions {
  std::size_t memory_limit = std::size_t{2} << 30;  ///< bytes; a larger cache is a memory-mapped file
  std::filesystem::path folder = {};                ///< of those files
};

/// The frozen prefix' activations, one row an image, computed once and read by every epoch (and, from a file, by later
/// runs). The key covers everything that the rows depend on; a file is used only if its key, size and checksum agree.
/// Trainings on several threads may share one: each fills what it misses while it holds `filling`.
class PrefixCache {
 public:
  /// `key` is a digest text; `images` rows of `row_shape` elements of `dtype`.
  /// Throws `Error` (failed) naming the file where it cannot be made (full disk, no permission).
  PrefixCache(const PrefixCacheOptions& options, const std::string& key, std::int64_t images, const Shape& row_shape,
              Dtype dtype);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  /// Held while rows are looked for and put in, so that no two trainings compute the same ones.
  std::mutex filling;
  [[nodiscard]] bool has(int image) const { return filled_[static_cast<std::size_t>(image)] != 0; }
  /// Stores the rows of `activations` (n, row_shape) for these images; rows beyond `images.size()` are padding.
  void put(std::span<const int> images, const Tensor& activations);
  /// The rows of these images as one tensor on `backend`, (n, row_shape). On a device whose memory the host cannot
  /// read, rows stay there once they were used, where there is room for all of them.
  [[nodiscard]] Tensor gather(const std::shared_ptr<Backend>& backend, std::span<const int> images) const;
  /// Makes a file-backed cache durable once every wanted row is in.
  void seal();
  /// Removes the file of a cache that no later run will want; what is read from it stays readable while this lives.
  void remove_file();

  [[nodiscard]] std::size_t bytes() const { return row_bytes_ * filled_.size(); }
  [[nodiscard]] bool on_disk() const { return !file_.empty(); }
  /// Whether rows are kept on the device too.
  [[nodiscard]] bool on_device() const { return resident_.defined(); }
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  bool open_sealed();
  void create_file();
  void create_file_from_sealed();
  void unlock();
  [[nodiscard]] std::size_t header_bytes() const;
  /// Makes room for every row on a device that the host cannot read; false where rows have to come from the host.
  bool keep_on(const std::shared_ptr<Backend>& backend) const;

  mutable std::mutex rows_mutex_;  // rows move when some are put into a file
  std::string key_;
  Shape row_shape_;
  Dtype dtype_;
  std::size_t row_bytes_;
  std::vector<char> filled_;
  std::filesystem::path file_;       // final name, empty: in memory
  std::filesystem::path temporary_;  // while being filled
  int lock_ = -1;                    // on it, so that nobody takes it for abandoned
  std::byte* base_ = nullptr;        // mapping, header included; or null
  std::vector<std::byte> memory_;
  std::byte* rows_ = nullptr;

  // A copy on the device: what it holds says nothing that the host's rows do not.
  mutable Tensor resident_;
  mutable std::vector<char> is_resident_;
  mutable bool has_no_room_ = false;
};

/// For each cut 0..`cut` a digest of what the activations before that stage depend on: model, input size, stages,
/// dtype, backend, the batch they are computed in, the data's content and every value of those stages' parameters.
std::vector<std::string> prefix_keys(const Network& network, std::size_t cut, const Context& ctx, int batch,
                                     const std::string& data_digest);

}  // namespace thaw
