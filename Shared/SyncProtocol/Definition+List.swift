extension Definition {
    /// Definitions that were kept apart from their segment (`Segment.definitionBytes`).
    ///
    /// - Throws: `WireError` where the bytes are not exactly `count` definitions.
    package static func list(decoding bytes: [UInt8], count: Int) throws(WireError) -> [Definition]
    {
        try ByteReader.decode(bytes) { (reader) throws(WireError) in
            var definitions: [Definition] = []
            for _ in 0..<count { definitions.append(try Definition(from: &reader)) }
            try reader.expectEnd()
            return definitions
        }
    }

    /// As they stand in a segment.
    package static func encoded(_ definitions: [Definition]) -> [UInt8] {
        var writer = ByteWriter()
        for definition in definitions { definition.encode(into: &writer) }
        return writer.bytes
    }
}
