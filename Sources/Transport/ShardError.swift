import CLibuv

/// Why a shard could not be started.
package struct ShardError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Step: String, Sendable { case loop, thread, handle, signal }

    package let step: Step
    /// A negative error number of the operating system.
    package let code: Int32

    package var description: String { "the event loop could not start (\(step.rawValue)): \(systemMessage(code))" }
}

/// The operating system's short text for a negative error number (libuv's convention).
func systemMessage(_ code: Int32) -> String {
    var text = [CChar](repeating: 0, count: 128)
    _ = uv_strerror_r(code, &text, text.count)
    return text.withUnsafeBytes { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
