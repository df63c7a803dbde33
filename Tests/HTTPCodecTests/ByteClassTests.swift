import Primitives
import Testing

@testable import HTTPCodec

@Suite struct ByteClassTests {
    private static let alphanumerics = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

    @Test(arguments: [
        (ByteClass.token, alphanumerics + "!#$%&'*+-.^_`|~"),
        (ByteClass.registeredName, alphanumerics + "-._~!$&'()*+,;="),
        (ByteClass.addressLiteral, "abcdefABCDEF0123456789:."),
        (ByteClass.target, alphanumerics + "-._~!$&'()*+,;=:@/?[]^`{|}"),
    ])
    func theWordsSpellTheSets(found: ByteClass, members: String) {
        for byte in UInt8.min...UInt8.max { #expect(found.contains(byte) == members.utf8.contains(byte)) }
    }

    /// Every byte at every place of a word, with neighbours that could spoil it.
    @Test(arguments: [0x20, 0x21, 0x7E, 0x80, 0xFF] as [UInt8]) func theControlScanIsExact(filler: UInt8) {
        for length in 0..<20 {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: filler, count: length)
                    bytes[place] = byte
                    let expected = byte < 0x20 || byte == 0x7F ? place : length
                    let found = withByteView(bytes) { $0.firstControl(from: 0) }
                    guard found == expected else {
                        Issue.record("\(byte) at \(place) of \(length): \(found)")
                        return
                    }
                }
            }
        }
        #expect(withByteView([0, 0x20, 0x0A, 0x20]) { $0.firstControl(from: 1) } == 2)
        #expect(withByteView([0, 0x20]) { $0.firstControl(from: 2) } == 2)
    }
}
