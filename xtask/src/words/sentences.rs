//! Checks of sentences: banned words, and words that must not be the subject.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::rules::{AFTER_IS_NO, BanIndex, EVERYWHERE, IN_SENTENCES, MAX_SENTENCE_WORDS, SENTENCE_STARTS};
use super::source::{PARAGRAPH_END, Passage, PassageKind};
use super::{WordFinding, WordRule};

/// Code, a link or a value within a sentence: a word that no rule knows.
const CODE: &str = "_";

/// Text without code and markup.
#[derive(Default)]
struct Paragraph {
    text: String,
    /// Where a piece begins in `text`, and in the passage.
    pieces: Vec<(usize, usize)>,
}

/// The words of a paragraph, in lower case, and where they are.
struct ParagraphWords {
    parts: Vec<String>,
    ranges: Vec<Range<usize>>,
}

/// Checks passages.
pub struct SentenceChecker {
    bans: BanIndex,
    /// How many sentences are longer than the glossary wants.
    pub long: usize,
}

impl SentenceChecker {
    pub fn new() -> Self {
        Self { bans: BanIndex::new(&[EVERYWHERE, IN_SENTENCES]), long: 0 }
    }

    /// The rules that the sentences of a passage break.
    pub fn check(&mut self, path: &str, passage: &Passage) -> Vec<WordFinding> {
        let paragraphs = match passage.kind {
            PassageKind::Message => messages(&passage.text),
            PassageKind::Comment | PassageKind::DocComment | PassageKind::Document => markdown(&passage.text),
        };
        let mut findings = Vec::new();
        for paragraph in paragraphs {
            let words = ParagraphWords::read(&paragraph.text);
            let line = |word: usize| passage.line + paragraph.line(words.ranges[word].start, &passage.text);
            let noun = passage.kind.noun();
            for ban in self.bans.find(&words.parts, |word| words.is_joined(word, &paragraph.text)) {
                let why = format!("\"{}\" in {noun}: write {}", ban.words, ban.instead);
                findings.push(WordFinding::new(WordRule::Sentence, path, line(ban.at), &ban.words, why));
            }
            for word in words.is_no(&paragraph.text) {
                let why = format!("\"is no\" in {noun}: write \"is not a …\" or \"is not a valid …\"");
                findings.push(WordFinding::new(WordRule::Sentence, path, line(word), "is no", why));
            }
            for sentence in words.sentences(&paragraph.text) {
                self.long += usize::from(sentence.len() > MAX_SENTENCE_WORDS);
                let first = &words.parts[sentence.start];
                let end = words.ranges[sentence.end - 1].end;
                let question = paragraph.text[end..].trim_start_matches(['"', '\'', '`', ')', '”']).starts_with('?');
                // A message may be the middle of a sentence.
                let capital = paragraph.text[words.ranges[sentence.start].start..].starts_with(char::is_uppercase);
                if SENTENCE_STARTS.contains(&first.as_str())
                    && !question
                    && (capital || passage.kind != PassageKind::Message)
                {
                    let why = format!("a sentence in {noun} begins with \"{first}\": name the subject");
                    findings.push(WordFinding::new(WordRule::SentenceStart, path, line(sentence.start), first, why));
                }
            }
        }
        findings
    }
}

impl Paragraph {
    fn push(&mut self, text: &str, at: usize) {
        self.pieces.push((self.text.len(), at));
        self.text.push_str(text);
    }

    /// How many lines of the passage are before this place of the paragraph.
    fn line(&self, at: usize, passage: &str) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        let (start, origin) = self.pieces.get(piece).copied().unwrap_or_default();
        let origin = (origin + at - start).min(passage.len());
        passage.as_bytes()[..origin].iter().filter(|byte| **byte == b'\n').count()
    }
}

impl ParagraphWords {
    fn read(text: &str) -> Self {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\'' | '’');
        let (mut parts, mut ranges) = (Vec::new(), Vec::new());
        let mut from = 0;
        while let Some(start) = text[from..].find(is_word).map(|at| from + at) {
            let end = text[start..].find(|c| !is_word(c)).map_or(text.len(), |at| start + at);
            let word = text[start..end].trim_matches('\'');
            if !word.is_empty() {
                let start = start + text[start..end].find(word).unwrap_or(0);
                parts.push(word.to_lowercase());
                ranges.push(start..start + word.len());
            }
            from = end;
        }
        Self { parts, ranges }
    }

    /// The text between a word and the one before it.
    fn gap<'t>(&self, word: usize, text: &'t str) -> &'t str {
        &text[self.ranges[word - 1].end..self.ranges[word].start]
    }

    /// Whether only space or a hyphen is between a word and the one before it.
    fn is_joined(&self, word: usize, text: &str) -> bool {
        self.gap(word, text).chars().all(|c| c.is_whitespace() || c == '-')
    }

    /// The words after `is no`, where `is not` would be right: not in `there is no …`, `is no longer`.
    fn is_no(&self, text: &str) -> Vec<usize> {
        let matches = |&word: &usize| {
            self.parts[word - 2] == "is"
                && self.parts[word - 1] == "no"
                && self.is_joined(word - 1, text)
                && self.is_joined(word, text)
                && !AFTER_IS_NO.contains(&self.parts[word].as_str())
                && !(word > 2 && self.parts[word - 3] == "there")
        };
        (2..self.parts.len()).filter(matches).collect()
    }

    /// The ranges of words that are sentences.
    fn sentences(&self, text: &str) -> Vec<Range<usize>> {
        let mut sentences = Vec::new();
        let mut start = 0;
        for word in 1..self.parts.len() {
            let gap = self.gap(word, text);
            let capital = text[self.ranges[word].start..].starts_with(|c: char| c.is_uppercase() || c == '_');
            let ends = gap.contains('?') || (capital && gap.contains(['.', '!']));
            if ends && gap.contains(char::is_whitespace) {
                sentences.push(start..word);
                start = word;
            }
        }
        if start < self.parts.len() {
            sentences.push(start..self.parts.len());
        }
        sentences
    }
}

/// The paragraphs of Markdown: headings, items and cells too; code is one word.
fn markdown(text: &str) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph::default()];
    let mut in_code = false;
    for (event, range) in
        Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).into_offset_iter()
    {
        in_code = match event {
            Event::Start(Tag::CodeBlock(_)) => true,
            Event::End(TagEnd::CodeBlock) => false,
            _ => in_code,
        };
        let inline = matches!(
            event,
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
                | Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
        );
        match event {
            Event::Start(_) | Event::End(_) if !inline => paragraphs.push(Paragraph::default()),
            _ if in_code => {}
            event => {
                let Some(paragraph) = paragraphs.last_mut() else { continue };
                match event {
                    Event::Text(text) => paragraph.push(&text, range.start),
                    Event::Code(_) | Event::InlineHtml(_) | Event::FootnoteReference(_) => {
                        paragraph.push(CODE, range.start)
                    }
                    Event::SoftBreak | Event::HardBreak => paragraph.push(" ", range.start),
                    _ => {}
                }
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.text.is_empty());
    paragraphs
}

/// The paragraphs of a message. Quoted code and values in braces are one word.
fn messages(text: &str) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    let mut at = 0;
    for block in text.split(PARAGRAPH_END) {
        let mut paragraph = Paragraph::default();
        let mut rest = block;
        while let Some((start, len)) = code_span(rest) {
            let from = at + block.len() - rest.len();
            paragraph.push(&rest[..start], from);
            paragraph.push(CODE, from + start);
            rest = &rest[start + len..];
        }
        paragraph.push(rest, at + block.len() - rest.len());
        paragraphs.push(paragraph);
        at += block.len() + PARAGRAPH_END.len_utf8();
    }
    paragraphs
}

/// Where the first code or value of a message begins, and its length.
fn code_span(text: &str) -> Option<(usize, usize)> {
    let start = text.find(['`', '{'])?;
    let body = &text[start + 1..];
    let len = match text.as_bytes()[start] {
        b'`' => body.find('`'),
        _ => body.find('}').filter(|end| !body[..*end].contains(char::is_whitespace)),
    };
    match len {
        Some(len) => Some((start, len + 2)),
        None => code_span(body).map(|(next, len)| (start + 1 + next, len)),
    }
}
