import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writes a file that holds a secret: readable by its owner only, and never over one that exists.
enum OutputFile {
    static func create(_ path: String, _ text: String) throws(CommandFailure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let code = errno
            throw CommandFailure(
                .cannotCreate, "cannot make \(path): \(String(cString: strerror(code)))",
                advice: code == EEXIST ? "Choose another name, or remove it first." : nil)
        }
        let isComplete = Terminal(descriptor: descriptor).write(text)
        guard close(descriptor) == 0, isComplete else {
            throw CommandFailure(.inputOutput, "cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }
}
