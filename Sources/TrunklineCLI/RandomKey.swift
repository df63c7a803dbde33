/// 32 random bytes from the system, in hexadecimal: an operator key.
func makeRandomKey() -> String {
    var generator = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef")
    var key = ""
    for _ in 0..<4 {
        let word = generator.next()
        for shift in stride(from: UInt64(0), to: 64, by: 4) { key.append(digits[Int(word >> shift & 0xF)]) }
    }
    return key
}
