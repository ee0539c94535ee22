#include "tls/layer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <openssl/err.h>

namespace trunkline::tls {

namespace {

constexpr size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr size_t kRecordBytesOnWire = kRecordBytes + SSL3_RT_MAX_ENCRYPTED_OVERHEAD + 256;
constexpr size_t kGatherBytes = 4 * kRecordBytesOnWire;
constexpr const char* kTooManyRecords = "too many TLS records without data";
// `send` starts with nothing unsent and stops at the first gathering the socket does not take
// whole. So only answers of the protocol's own can block the writing.
static_assert(kGatherBytes < kUnsentBytesMax);

// Buffers that every layer of a thread uses during a call, and none between two calls.
struct Scratch {
  std::array<char, kGatherBytes> out;  // ciphertext that leaves in one send
  size_t out_size = 0;
  std::array<char, kRecordBytes> plain;  // small pieces on their way into one record

  size_t room() const { return out.size() - out_size; }
};

Scratch& scratch() {
  thread_local std::unique_ptr<Scratch> buffers(new Scratch);
  return *buffers;
}

// Cuts pieces into records: a large piece is encrypted where it lies, small ones are joined.
class RecordCutter {
 public:
  explicit RecordCutter(std::span<const iovec> pieces) : pieces_(pieces) { skip_empty(); }

  bool at_end() const { return pieces_.empty(); }

  std::string_view next(std::span<char> joined) {
    if (pieces_.size() == 1 || left().size() >= kRecordBytes) return take(kRecordBytes);
    size_t size = 0;
    while (!at_end() && size < joined.size()) {
      std::string_view piece = take(joined.size() - size);
      std::memcpy(joined.data() + size, piece.data(), piece.size());
      size += piece.size();
    }
    return {joined.data(), size};
  }

 private:
  std::string_view left() const {
    return std::string_view(static_cast<const char*>(pieces_[0].iov_base), pieces_[0].iov_len)
        .substr(taken_);
  }

  std::string_view take(size_t bytes_max) {
    std::string_view piece = left().substr(0, bytes_max);
    taken_ += piece.size();
    skip_empty();
    return piece;
  }

  void skip_empty() {
    while (!pieces_.empty() && taken_ == pieces_[0].iov_len) {
      pieces_ = pieces_.subspan(1);
      taken_ = 0;
    }
  }

  std::span<const iovec> pieces_;
  size_t taken_ = 0;
};

}  // namespace

// OpenSSL's view of the socket.
struct LayerBio {
  static int read(BIO* bio, char* into, int size) {
    auto& layer = *static_cast<Layer*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    std::span<char> room(into, static_cast<size_t>(size));
    if (!layer.prefix_.empty()) return static_cast<int>(take_prefix(layer, room));
    ssize_t got = layer.socket_->readable() ? layer.socket_->recv(room) : -EAGAIN;
    layer.dry_ = got == -EAGAIN;
    if (got > 0) return static_cast<int>(got);
    if (got == 0) {
      layer.socket_eof_ = true;
    } else if (got == -EAGAIN) {
      BIO_set_retry_read(bio);
    } else {
      layer.socket_error_ = static_cast<int>(got);
    }
    return got == 0 ? 0 : -1;
  }

  static size_t take_prefix(Layer& layer, std::span<char> room) {
    size_t count = layer.prefix_.copy(room.data(), room.size(), layer.prefix_taken_);
    layer.prefix_taken_ += count;
    if (layer.prefix_taken_ == layer.prefix_.size()) layer.prefix_ = {};
    return count;
  }

  static int write(BIO* bio, const char* data, int size) {
    auto& layer = *static_cast<Layer*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    Scratch& buffers = scratch();
    size_t count = layer.write_blocked() ? 0 : std::min<size_t>(size, buffers.room());
    if (count == 0) {
      BIO_set_retry_write(bio);
      return -1;
    }
    std::memcpy(buffers.out.data() + buffers.out_size, data, count);
    buffers.out_size += count;
    return static_cast<int>(count);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
      BIO_meth_set_read(bio, read);
      BIO_meth_set_write(bio, write);
      BIO_meth_set_ctrl(bio, control);
      return bio;
    }();
    return made;
  }
};

// The span of one call into OpenSSL: the socket is known, the thread's buffer empty at both ends.
struct Layer::Call {
  Call(Layer& of, io::Socket& on) : layer(of) {
    layer.socket_ = &on;
    // SSL_get_error looks into the thread's queue, where others may have left something.
    if (ERR_peek_error() != 0) ERR_clear_error();
  }
  ~Call() {
    layer.flush(*layer.socket_);
    layer.socket_ = nullptr;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Layer& layer;
};

Layer::Layer(SslPtr ssl, std::string prefix) : ssl_(std::move(ssl)), prefix_(std::move(prefix)) {
  BIO* bio = BIO_new(LayerBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  has_more_ = !prefix_.empty();
}

int Layer::handshake(io::Socket& socket) {
  if (ended_) return result_at_end_ == 0 ? -ECONNRESET : result_at_end_;
  Call call(*this, socket);
  for (int steps = 0; steps <= kReadsWithoutDataMax; ++steps) {
    dry_ = false;
    int returned = SSL_do_handshake(ssl_.get());
    if (returned == 1) {
      has_more_ = more_to_read(socket);
      return 0;
    }
    int why = failure(returned);
    has_more_ = why == -EAGAIN && !dry_;  // it waits for room to write
    if (why < 0) return why;
    if (why == 0) return -ECONNRESET;
  }
  error_text_ = kTooManyRecords;
  return end(-EPROTO);
}

ssize_t Layer::recv(io::Socket& socket, std::span<char> into) {
  return read<SSL_read_ex>(socket, into);
}

ssize_t Layer::peek(io::Socket& socket) {
  char byte;
  return read<SSL_peek_ex>(socket, {&byte, 1});
}

template <auto kRead>
ssize_t Layer::read(io::Socket& socket, std::span<char> into) {
  if (ended_) return result_at_end_;
  if (write_blocked()) flush(socket);
  if (write_blocked()) {
    // To wait for room here would leave the socket readable: a busy loop.
    error_text_ = "the peer does not read";
    return end(-EPROTO);
  }
  Call call(*this, socket);
  size_t done = 0;
  while (done < into.size()) {
    size_t got = 0;
    dry_ = false;
    int returned = kRead(ssl_.get(), into.data() + done, into.size() - done, &got);
    if (returned == 1) {
      done += got;
      reads_without_data_ = 0;
      has_more_ = more_to_read(socket);
      if (!has_more_) break;
      continue;
    }
    int why = failure(returned);
    has_more_ = why == -EAGAIN && !dry_;  // it waits for room to write
    if (why == 1 && ++reads_without_data_ <= kReadsWithoutDataMax) continue;
    if (why == 1) {
      error_text_ = kTooManyRecords;
      why = end(-EPROTO);
    }
    if (done == 0) return why;
    break;
  }
  return static_cast<ssize_t>(done);
}

bool Layer::more_to_read(const io::Socket& socket) const {
  return SSL_has_pending(ssl_.get()) == 1 || socket.readable() || !prefix_.empty();
}

ssize_t Layer::send(io::Socket& socket, std::span<const iovec> from) {
  if (ended_ && result_at_end_ < 0) return result_at_end_;
  if (int flushed = flush(socket); flushed < 0) return flushed;
  Call call(*this, socket);
  Scratch& buffers = scratch();
  size_t done = 0;
  for (RecordCutter cutter(from); !cutter.at_end();) {
    // Room for a record: so OpenSSL never keeps half of one, and its answer is final.
    if (buffers.room() < kRecordBytesOnWire && flush(socket) < 0) break;
    std::string_view record = cutter.next(buffers.plain);
    size_t taken = 0;
    int returned = SSL_write_ex(ssl_.get(), record.data(), record.size(), &taken);
    done += taken;
    if (returned == 1) continue;
    int why = failure(returned);
    if (done > 0) break;
    return why == 1 ? -EAGAIN : why == 0 ? -EPIPE : why;
  }
  return static_cast<ssize_t>(done);
}

int Layer::flush(io::Socket& socket) {
  Scratch& buffers = scratch();
  std::array<iovec, 2> parts{iovec{unsent_.data(), unsent_.size()},
                             iovec{buffers.out.data(), buffers.out_size}};
  size_t wanted = unsent_.size() + buffers.out_size;
  if (wanted == 0) return 0;
  std::span<const iovec> all(parts);
  if (unsent_.empty()) all = all.subspan(1);
  ssize_t sent = socket.writable() ? socket.send(all) : -EAGAIN;

  size_t gone = sent < 0 ? 0 : static_cast<size_t>(sent);
  size_t gone_before = std::min(gone, unsent_.size());
  if (gone < wanted) {
    unsent_.erase(0, gone_before);
    unsent_.append(buffers.out.data() + (gone - gone_before),
                   buffers.out_size - (gone - gone_before));
  } else {
    unsent_ = {};
  }
  buffers.out_size = 0;
  if (sent < 0) return static_cast<int>(sent);
  return gone < wanted ? -EAGAIN : 0;
}

int Layer::failure(int returned) {
  int code = SSL_get_error(ssl_.get(), returned);
  switch (code) {
    case SSL_ERROR_ZERO_RETURN:
      return end(0);
    case SSL_ERROR_WANT_READ:
      return dry_ ? -EAGAIN : 1;
    case SSL_ERROR_WANT_WRITE:
      return -EAGAIN;
    default:
      break;
  }
  if (socket_error_ != 0) return end(socket_error_);
  if (socket_eof_ && code == SSL_ERROR_SYSCALL) {
    // As PostgreSQL: an end without close_notify is an end; one inside a record is not.
    if (!is_cut_short()) return end(0);
    error_text_ = "connection ended inside a TLS record";
    return end(-EPROTO);
  }
  error_text_ = take_openssl_error();
  return end(-EPROTO);
}

int Layer::end(int result) {
  ended_ = true;
  result_at_end_ = result;
  return result;
}

bool Layer::is_cut_short() const {
  return SSL_has_pending(ssl_.get()) == 1 || std::strcmp(SSL_rstate_string(ssl_.get()), "RB") == 0;
}

void Layer::close_notify(io::Socket& socket) {
  if ((ended_ && result_at_end_ < 0) || SSL_is_init_finished(ssl_.get()) == 0) return;
  Call call(*this, socket);
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

bool Layer::is_idle() const {
  return prefix_.empty() && unsent_.empty() && !ended_ && SSL_has_pending(ssl_.get()) == 0;
}

}  // namespace trunkline::tls
