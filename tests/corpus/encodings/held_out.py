# ruff: noqa: E501 (a text is easier to read in one line)
"""A second table, on which no bound was chosen, but which showed kinds that rules were mended for: other sentences, tables, lines of JSON, and English with a foreign letter here and there."""

from tests.corpus.encodings.texts import Sample

HELD_OUT = (
    Sample(
        "ko",
        "임차인은 계약이 끝나면 집을 원래 상태로 돌려주어야 한다.",
        "question,answer\n예금자 보호 한도는 얼마인가요?,한 은행에서 원금과 이자를 합쳐 오천만 원까지입니다.\n"
        "카드를 잃어버리면 어떻게 하나요?,바로 카드사에 전화해서 사용을 막으세요.\n",
        ("euc_kr", "cp949", "johab"),
    ),
    Sample(
        "ja",
        "契約が終わったら、借りた人は部屋を元の状態に戻します。",
        '{"question": "預金保険とは何ですか。", "answer": "銀行が破綻したとき、預けたお金の一部を守る制度です。"}\n'
        '{"question": "カードをなくしたらどうしますか。", "answer": "すぐにカード会社に電話してください。"}\n',
        ("euc_jp", "cp932", "iso2022_jp"),
    ),
    Sample(
        "ja",
        "Python 3.11 のインストール手順を Windows 向けに説明します。",
        "git commit の前に pytest を実行してください。エラーが出たら log を保存し、issue に貼ります。"
        "設定は config.yaml に書き、API の鍵はファイルに残しません。build は Docker の中で行います。\n",
        ("euc_jp", "cp932"),
    ),
    Sample(
        "th",
        "ผู้เช่าต้องคืนห้องในสภาพเดิมเมื่อสัญญาสิ้นสุด",
        "question,answer\nเงินฝากได้รับความคุ้มครองเท่าไร,ไม่เกินหนึ่งล้านบาทต่อคนต่อธนาคาร\nถ้าบัตรหายต้องทำอย่างไร,โทรแจ้งธนาคารทันทีเพื่อระงับบัตร\n",
        ("tis_620", "cp874"),
    ),
    Sample(
        "ru",
        "Арендатор обязан вернуть квартиру в прежнем состоянии.",
        "вопрос;ответ\nСколько денег на вкладе застраховано?;До установленной законом суммы в каждом банке.\n"
        "Что делать, если карта потеряна?;Немедленно позвонить в банк и заблокировать её.\n",
        ("koi8_r", "cp1251", "iso8859_5", "cp866"),
    ),
    Sample(
        "ru",
        "Мы всё обсудили вчера; договор подпишем в пятницу утром.",
        "ВНИМАНИЕ! ВХОД ТОЛЬКО ДЛЯ ПЕРСОНАЛА. ПОСТОРОННИМ ВХОД ЗАПРЕЩЁН. ПРИ ПОЖАРЕ ЗВОНИТЕ ДЕЖУРНОМУ. ДВЕРИ ДЕРЖАТЬ ЗАКРЫТЫМИ.\n",
        ("koi8_r", "cp1251", "iso8859_5", "cp866"),
    ),
    Sample(
        "uk",
        "Орендар зобов’язаний повернути житло в належному стані.",
        "Їжак шукав гриби, а ґава сиділа на паркані. Єдиний ключ лежав під килимком. Ірина відчинила двері й побачила, що хтось уже їв її борщ.\n",
        ("cp1251",),
    ),
    Sample(
        "uk",
        "Скільки коштує квиток до Києва і коли їде останній потяг?",
        "Їжак шукав гриби, а ґава сиділа на паркані. Єдиний ключ лежав під килимком. Ірина відчинила двері й побачила, що хтось уже їв її борщ.\n",
        ("koi8_u",),
    ),
    Sample(
        "bg",
        "Наемателят трябва да върне жилището в състоянието, в което го е получил.",
        "Колко струва билетът до Пловдив и кога тръгва последният влак? На гарата казаха, че ще има закъснение, защото линията се ремонтира. Купихме си по една баница и зачакахме.\n",
        ("cp1251",),
    ),
    Sample(
        "cs",
        "Nájemce je povinen vrátit byt ve stavu, v jakém jej převzal.",
        "otázka;odpověď\nKolik stojí jízdenka do Brna?;Záleží na dopravci, většinou kolem dvou set korun.\nCo když ztratím kartu?;Ihned zavolejte do banky a nechte ji zablokovat.\n",
        ("iso8859_2", "cp1250"),
    ),
    Sample(
        "sk",
        "Ďaleko za riekou stojí ľahká drevená chalupa, v ktorej býva stará mať.",
        "Nájomca je povinný vrátiť byt v stave, v akom ho prevzal. Ak sa stratí kľúč, musí zaplatiť nový zámok. Všetky škody treba nahlásiť do týždňa, inak môže vlastník žiadať náhradu.\n",
        ("iso8859_2", "cp1250"),
    ),
    Sample(
        "pl",
        "Ile kosztuje bilet do Gdańska i o której odjeżdża ostatni pociąg?",
        '{"pytanie": "Co zrobić, gdy zgubię kartę?", "odpowiedź": "Natychmiast zadzwoń do banku i zastrzeż ją."}\n'
        '{"pytanie": "Ile wynosi gwarancja?", "odpowiedź": "Zależy od banku, zwykle do stu tysięcy euro."}\n',
        ("iso8859_2", "cp1250"),
    ),
    Sample(
        "hu",
        "Mennyibe kerül a jegy Szegedre, és mikor indul az utolsó vonat?",
        "A bérlő köteles a lakást eredeti állapotában visszaadni. Ha elveszíti a kulcsot, ő fizeti az új zárat. Minden kárt nyolc napon belül jelenteni kell, különben a tulajdonos kártérítést kérhet. Őszintén szólva ez így méltányos.\n",
        ("iso8859_2", "cp1250"),
    ),
    Sample(
        "ro",
        "Chiriaşul trebuie să predea locuinţa în starea în care a primit-o.",
        "Cât costă un bilet până la Braşov şi când pleacă ultimul tren? La gară ni s-a spus că va avea întârziere, fiindcă linia este în reparaţie. Ne-am luat câte o plăcintă şi am aşteptat.\n",
        ("iso8859_2", "cp1250"),
    ),
    Sample(
        "el",
        "Πόσο κοστίζει το εισιτήριο για τη Θεσσαλονίκη;",
        "Ο μισθωτής οφείλει να επιστρέψει το σπίτι όπως το παρέλαβε. Αν χαθεί το κλειδί, πληρώνει εκείνος τη νέα κλειδαριά. Όλες οι ζημιές δηλώνονται μέσα σε οκτώ ημέρες.\n",
        ("iso8859_7", "cp1253"),
    ),
    Sample(
        "tr",
        "Ankara'ya bilet kaç lira ve son tren saat kaçta kalkıyor?",
        "Kiracı evi aldığı gibi geri vermek zorundadır. Anahtarı kaybederse yeni kilidin parasını öder. Bütün zararlar sekiz gün içinde bildirilmelidir, yoksa mal sahibi tazminat isteyebilir. Doğrusu bu böyle daha iyi.\n",
        ("iso8859_9", "cp1254"),
    ),
    Sample(
        "he",
        "כמה עולה כרטיס לחיפה ומתי יוצאת הרכבת האחרונה?",
        "השוכר חייב להחזיר את הדירה במצב שבו קיבל אותה. אם המפתח אובד, הוא משלם על מנעול חדש. על כל נזק יש להודיע בתוך שמונה ימים.\n",
        ("cp1255", "iso8859_8"),
    ),
    Sample(
        "ar",
        "كم سعر التذكرة إلى حلب ومتى ينطلق آخر قطار؟",
        "يجب على المستأجر أن يعيد البيت كما تسلمه. إذا ضاع المفتاح دفع ثمن القفل الجديد. ويبلغ عن كل ضرر خلال ثمانية أيام، وإلا جاز للمالك أن يطلب التعويض.\n",
        ("cp1256", "iso8859_6"),
    ),
    Sample(
        "lt",
        "Kiek kainuoja bilietas į Kauną ir kada išvyksta paskutinis traukinys?",
        "Nuomininkas privalo grąžinti būstą tokį, kokį gavo. Jeigu pametamas raktas, jis sumoka už naują spyną. Apie kiekvieną žalą reikia pranešti per aštuonias dienas, kitaip savininkas gali reikalauti atlyginimo.\n",
        ("cp1257", "iso8859_13"),
    ),
    Sample(
        "lv",
        "Cik maksā biļete uz Liepāju, un kad atiet pēdējais vilciens?",
        "Īrniekam dzīvoklis jāatdod tādā stāvoklī, kādā tas saņemts. Ja pazūd atslēga, viņš maksā par jaunu slēdzeni. Par katru bojājumu jāziņo astoņu dienu laikā, citādi īpašnieks var prasīt atlīdzību.\n",
        ("cp1257", "iso8859_13"),
    ),
    Sample(
        "vi",
        "Vé tàu đi Đà Nẵng giá bao nhiêu và chuyến cuối chạy lúc mấy giờ?",
        "Người thuê phải trả lại nhà đúng như lúc nhận. Nếu mất chìa khóa thì phải trả tiền ổ khóa mới. Mọi hư hỏng cần được báo trong vòng tám ngày, nếu không chủ nhà có quyền đòi bồi thường.\n",
        ("cp1258",),
    ),
    Sample(
        "fr",
        "Combien coûte le billet pour Besançon ? Le dernier train part à huit heures.",
        "Le locataire doit rendre le logement dans l'état où il l'a reçu. S'il perd la clé, il paie la nouvelle serrure. Tout dégât doit être signalé sous huit jours, sans quoi le propriétaire peut exiger réparation.\n",
        ("cp1252", "iso8859_1", "iso8859_15", "mac_roman", "cp850"),
    ),
    Sample(
        "de",
        "Was kostet die Fahrkarte nach Köln, und wann fährt der letzte Zug?",
        "Frage;Antwort\nWas mache ich, wenn die Karte weg ist?;Sofort die Bank anrufen und die Karte sperren lassen.\nWie hoch ist die Gebühr?;Das hängt vom Vertrag ab, größere Beträge kosten mehr.\n",
        ("cp1252", "iso8859_1", "mac_roman", "cp850", "cp437"),
    ),
    Sample(
        "it",
        "Quanto costa il biglietto per Forlì? Il treno è già partito, perché era in orario.",
        "L'inquilino deve restituire la casa com'era quando l'ha ricevuta; se perde la chiave, pagherà lui la serratura nuova. Ogni danno va segnalato entro otto giorni, perché altrimenti il proprietario può chiedere un risarcimento. Così è più equo.\n",
        ("cp1252", "iso8859_1", "mac_roman", "cp850"),
    ),
    Sample(
        "da",
        "Hvad koster en billet til Århus, og hvornår kører det sidste tog?",
        "Lejeren skal aflevere boligen, som den var ved indflytningen. Mister han nøglen, betaler han for en ny lås. Enhver skade må meldes inden otte dage, ellers kan ejeren kræve erstatning. Sådan er det også på øerne.\n",
        ("cp1252", "iso8859_1", "mac_roman"),
    ),
    Sample(
        "en",
        "The café on the corner serves crème brûlée until ten.",
        "Zoë told us that the façade needs repair, and that the naïve estimate of £500 is far too low. Her résumé lists two such jobs. We met at the café to talk it over, and the maître d’ gave us the quiet table.\n",
        ("cp1252", "mac_roman"),
    ),
    Sample(
        "en",
        "“It’s late,” she said — and the door closed.",
        "The temperature must stay below 40 °C at all times. If it doesn’t, the pump stops by itself. Don’t restart it by hand… call the plant’s engineer first.\n",
        ("cp1252", "mac_roman"),
    ),
    Sample(
        "en",
        "The fee is £20 a month.",
        "The tenant pays £750 on the first of each month. A deposit of £1,500 is kept until the end. Late payment costs £25 for each week.\n",
        ("cp1252", "iso8859_1"),
    ),
    Sample(
        "en",
        "The ticket costs €15, or €12 with a discount.",
        "Each order above €100 is sent without charge. Below that the postage is €4.95. Returns are paid back within fourteen days.\n",
        ("cp1252",),
    ),
    Sample(
        "zh",
        "合同到期后，承租人应当把房屋恢复原状再交还。",
        "问题,答案\n存款保险最多赔多少？,同一家银行本金和利息合计五十万元以内全额赔付。\n银行卡丢了怎么办？,马上打电话给银行挂失。\n",
        ("gb18030", "gbk"),
    ),
    Sample(
        "zh",
        "使用 vLLM 加载 LoRA 时，请先检查 rank 是否一致。",
        '{"instruction": "怎么安装 Python？", "output": "到官网下载安装包，双击运行即可。"}\n{"instruction": "什么是 API？", "output": "程序之间约定好的调用方式。"}\n',
        ("gb18030", "gbk"),
    ),
    Sample(
        "zh",
        "租約期滿後，租客須將單位恢復原狀才可交還業主。",
        "問題,答案\n存款保障最高是多少？,每間銀行合計五十萬元以內全數賠付。\n提款卡遺失了怎麼辦？,馬上打電話給銀行掛失。\n",
        ("big5", "cp950", "big5hkscs"),
    ),
)
