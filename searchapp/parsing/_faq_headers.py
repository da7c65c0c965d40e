"""Names that people give the question and answer columns of a FAQ sheet.

Compared without case, spaces and punctuation. A name of the first group wins over one of the second, whose
words are also used for other things (a sheet may have both "title" and "question").
"""

QUESTION = """
question questions q faq query frage fragen pregunta preguntas pergunta perguntas domanda domande вопрос
вопросы питання запитання pytanie pytania otázka otázky vraag vragen ερώτηση ερωτήσεις ερωτημα
întrebare intrebare întrebări fråga frågor spørgsmål spørsmål kysymys kérdés въпрос въпроси pitanje
soru sorular 问题 问 提问 常见问题 标准问 标准问题 標準問題 問題 問 提問 常見問題 質問 問い よくある質問 ご質問
질문 문의 자주묻는질문 سؤال السؤال أسئلة الأسئلة پرسش پرسشها سوال سؤالات שאלה שאלות प्रश्न सवाल প্রশ্ন
câuhỏi cauhoi hỏi คำถาม คำถามที่พบบ่อย pertanyaan soalan tanya swali savol сұрақ
questiontext faqquestion userquestion
"""

ANSWER = """
answer answers a ans reply antwort antworten respuesta respuestas réponse réponses reponse resposta respostas
risposta risposte ответ ответы відповідь відповіді odpowiedź odpowiedzi odpowiedz odpověď odpovědi odpoveď
antwoord antwoorden απάντηση απαντήσεις απαντηση răspuns raspuns răspunsuri svar vastaus válasz отговор
отговори odgovor cevap cevaplar yanıt yanıtlar 答案 答 回答 解答 答复 答覆 回复 回覆 标准答案 標準答案 回答内容
답변 답 응답 جواب الجواب إجابة الإجابة اجابة أجوبة الإجابات پاسخ پاسخها תשובה תשובות उत्तर जवाब উত্তর
câutrảlời cautraloi trảlời đáp คำตอบ jawaban jawapan jawab jibu javob жауап
answertext faqanswer
"""

QUESTION_WEAK = """
title subject topic prompt input instruction heading problem issue titel thema sujet titre objet título titulo
asunto assunto titolo oggetto заголовок тема tytuł temat název τίτλος titlu ämne başlık konu 标题 標題 主题 主題
题目 題目 タイトル 件名 題名 제목 عنوان العنوان الموضوع موضوع כותרת शीर्षक tiêuđề หัวข้อ หัวเรื่อง judul
"""

ANSWER_WEAK = """
content contents body text response completion output description solution resolution details inhalt text
beschreibung lösung contenu solution contenido solución conteúdo conteudo solução contenuto soluzione
содержание текст решение описание зміст рішення treść rozwiązanie obsah řešení inhoud oplossing περιεχόμενο
λύση conținut soluție innehåll lösning içerik çözüm 内容 內容 正文 解决方案 解決方案 解决办法 说明 說明 内容文
本文 解決策 対応 내용 본문 해결 해결방법 المحتوى محتوى الحل محتوا راهحل תוכן विषयवस्तु समाधान nộidung giảipháp
เนื้อหา isi konten solusi penyelesaian
"""

SIMILAR_QUESTIONS = """
similarquestions similarquestion alternativequestions alternatives variants paraphrases relatedquestions
otherquestions 相似问题 相似问 相似问法 同义问 扩展问 扩展问题 相似問題 相似問 類似質問 同義質問 유사질문 유사질의
ähnlichefragen preguntassimilares perguntassemelhantes questionssimilaires domandesimili похожиевопросы
"""
