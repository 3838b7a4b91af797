#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace thaw {

/// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  void add(std::span<const std::uint8_t> bytes);
  /// 64 lower-case hexadecimal digits; the object is used up.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string sha256(std::span<const std::uint8_t> bytes);

/// SHA-256 of a file's bytes, read in pieces. Throws `Error` (data) naming a file that cannot be read.
std::string sha256_file(const std::filesystem::path& path);

/// The MD5 of `text`, first byte most significant. Only for TFDS' order; it secures nothing.
std::array<std::uint8_t, 16> md5(std::string_view text);

/// MD5 of a file's bytes as 32 lower-case hex digits: the digest by which Keras pins its weight files, good to
/// recognise a file and not to prove its origin. Throws `Error` (data) naming a file that cannot be read.
std::string md5_file(const std::filesystem::path& path);

}  // namespace thaw
