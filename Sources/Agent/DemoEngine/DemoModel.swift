import Primitives

/// A trigram model of words: it remembers which word followed which two, and which one, in the text it has read.
///
/// Training on ``DemoText`` takes a few milliseconds. The model is immutable afterwards and shared by all answers.
struct DemoModel: Sendable {
    typealias Token = Int32

    /// Stands before a paragraph's first word.
    static let boundary: Token = 0

    private struct Candidate: Sendable {
        var token: Token
        var count: Int32
    }

    private(set) var texts: [String] = [""]
    private var tokens: [String: Token] = [:]
    private var pairs: [Token: [Candidate]] = [:]
    private var triples: [UInt64: [Candidate]] = [:]
    private var sentences: [[Token]] = []
    /// In how many sentences a word occurs, in lower case.
    private var sentenceCounts: [String: Int] = [:]

    init(text: String) {
        for paragraph in text.split(separator: "\n\n") { read(String(paragraph)) }
    }

    private mutating func read(_ paragraph: String) {
        var before = Self.boundary
        var last = Self.boundary
        var sentence: [Token] = []
        withByteView(paragraph) { view in
            DemoTokenizer.forEachToken(view) { word in
                let token = intern(word.string)
                Self.count(token, in: &pairs[last, default: []])
                Self.count(token, in: &triples[Self.key(before, last), default: []])
                before = last
                last = token
                sentence.append(token)
                if Self.endsSentence(word) {
                    keep(sentence)
                    sentence.removeAll(keepingCapacity: true)
                }
            }
        }
    }

    private mutating func keep(_ sentence: [Token]) {
        sentences.append(sentence)
        for word in Set(sentence.map { texts[Int($0)].lowercased() }) { sentenceCounts[word, default: 0] += 1 }
    }

    private mutating func intern(_ word: String) -> Token {
        if let known = tokens[word] { return known }
        let token = Token(texts.count)
        texts.append(word)
        tokens[word] = token
        return token
    }

    private static func count(_ token: Token, in candidates: inout [Candidate]) {
        if let index = candidates.firstIndex(where: { $0.token == token }) {
            candidates[index].count += 1
        } else {
            candidates.append(Candidate(token: token, count: 1))
        }
    }

    private static func key(_ before: Token, _ last: Token) -> UInt64 {
        UInt64(UInt32(bitPattern: before)) << 32 | UInt64(UInt32(bitPattern: last))
    }

    private static func endsSentence(_ word: ByteView) -> Bool { word == "." || word == "?" || word == "!" }

    var vocabularyCount: Int { texts.count }

    func text(_ token: Token) -> String { texts[Int(token)] }

    func endsSentence(_ token: Token) -> Bool { withByteView(texts[Int(token)]) { Self.endsSentence($0) } }

    /// Joins to the word before without a space.
    func isMark(_ token: Token) -> Bool {
        texts[Int(token)].utf8.first.map { DemoTokenizer.isMark($0) } ?? false
    }

    /// Enough to stay with the subject, too few to recite.
    private static let openingTokenCount = 5

    /// Where an answer begins: the first words of the sentence that shares the rarest words with the question, or
    /// of any sentence when none does.
    func opening(for question: [String], isGreedy: Bool, random: inout SeededRandom) -> [Token] {
        var best: [(score: Double, sentence: Int)] = []
        let asked = Set(question.map { $0.lowercased() }.filter { $0.utf8.count > 3 })
        if !asked.isEmpty {
            for (index, sentence) in sentences.enumerated() {
                var score = 0.0
                for word in Set(sentence.map { texts[Int($0)].lowercased() }) where asked.contains(word) {
                    score += 1 / Double(sentenceCounts[word] ?? 1)
                }
                if score > 0 { best.append((score, index)) }
            }
            best.sort { ($0.score, -$0.sentence) > ($1.score, -$1.sentence) }
        }
        let choice: Int
        if let first = best.first {
            let few = best.prefix(3).prefix { $0.score * 2 >= first.score }
            choice = isGreedy ? first.sentence : few[Int.random(in: 0..<few.count, using: &random)].sentence
        } else {
            choice = isGreedy ? 0 : Int.random(in: 0..<sentences.count, using: &random)
        }
        return Array(sentences[choice].prefix(Self.openingTokenCount))
    }

    /// The next word after `before` and `last`. Three words' evidence counts most, two words' evidence keeps the model
    /// from repeating its text. At temperature 0 the likeliest word wins, the first read among equals.
    func next(before: Token, last: Token, temperature: Double, random: inout SeededRandom) -> Token {
        let wide = pairs[last] ?? pairs[Self.boundary] ?? []
        let narrow = triples[Self.key(before, last)] ?? []
        let wideTotal = Double(wide.reduce(0) { $0 + $1.count })
        let narrowTotal = max(1, Double(narrow.reduce(0) { $0 + $1.count }))
        var weights: [Double] = []
        weights.reserveCapacity(wide.count)
        var best = 0
        for (index, candidate) in wide.enumerated() {
            let exact = narrow.first { $0.token == candidate.token }?.count ?? 0
            weights.append(0.85 * Double(exact) / narrowTotal + 0.15 * Double(candidate.count) / wideTotal)
            if weights[index] > weights[best] { best = index }
        }
        guard !wide.isEmpty else { return Self.boundary }
        guard temperature > 0 else { return wide[best].token }

        // Relative to the best weight, so that a small temperature underflows to zero and never divides by it.
        let greatest = weights[best]
        var total = 0.0
        for index in weights.indices {
            weights[index] = power(weights[index] / greatest, 1 / temperature)
            total += weights[index]
        }
        var draw = Double.random(in: 0..<1, using: &random) * total
        for (index, weight) in weights.enumerated() {
            draw -= weight
            if draw < 0 { return wide[index].token }
        }
        return wide[best].token
    }
}
