import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What a provider tells about the machine that it runs on.
enum HostFacts {
    static var hostname: String {
        var name = [CChar](repeating: 0, count: 256)
        // One byte short of the buffer: a name that was cut has no end of its own (POSIX gethostname).
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// In GiB, rounded to one digit; 0 when the system does not tell.
    static var memoryGB: Double {
        let byteCount = Double(sysconf(Int32(_SC_PHYS_PAGES))) * Double(sysconf(Int32(_SC_PAGESIZE)))
        return byteCount > 0 ? (byteCount / 1_073_741_824 * 10).rounded() / 10 : 0
    }

    /// `name` with what a provider id may not hold replaced (docs/protocol.md, section 3).
    static func providerID(from name: String) -> String {
        let allowed = name.utf8.prefix(64).map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                byte
            default: UInt8(ascii: "-")
            }
        }
        return allowed.isEmpty ? "provider" : String(decoding: allowed, as: UTF8.self)
    }

    /// Whether `id` may be a provider's id.
    static func isProviderID(_ id: String) -> Bool { !id.isEmpty && providerID(from: id) == id }
}
